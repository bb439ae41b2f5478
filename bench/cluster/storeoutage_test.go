package cluster_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"session-manager/bench/cluster"
)

// Postgres crashes: sends are refused as not carried out, letters stay unacknowledged, and all is
// made good when it is back.
func TestStoreOutageLosesNoMessage(t *testing.T) {
	w := begin(t, 6, cluster.Options{Nodes: 2, Store: cluster.Postgres})
	for _, c := range w.clientes {
		w.took(c, w.write(c, "before"), soon) // ratchets are there
	}
	logins := w.logins(w.clientes)
	w.Store.Server.Kill()
	letters := make(map[int][]string)
	for n := range 3 {
		for i, c := range w.clientes[:3] {
			letters[i] = append(letters[i], w.write(c, fmt.Sprintf("letter %d", n)))
		}
	}
	for _, c := range w.clientes {
		_, err := w.Client().Send(within(t, 20*time.Second), c, message(c, "during"))
		var refusal *cluster.Refusal
		if !errors.As(err, &refusal) || refusal.Status != http.StatusServiceUnavailable {
			t.Errorf("send while the store is away: %v, want 503", err)
		}
	}
	w.must(w.Store.Server.Run(within(t, 30*time.Second)))
	back := time.Now()
	for i, c := range w.clientes[:3] {
		for _, id := range letters[i] {
			w.took(c, id, 10*time.Second)
		}
	}
	t.Logf("all letters taken %v after the return", time.Since(back).Round(time.Millisecond))
	for _, c := range w.clientes {
		w.send(w.Client(), c, "during")
		w.arrivedOnce(c, "during")
	}
	now := w.logins(w.clientes)
	for _, c := range w.clientes[3:] { // nobody wrote to them: their sockets stayed
		if number := cluster.NumberOf(c); now[number] != logins[number] {
			t.Errorf("cliente %s logged in %d times more", c, now[number]-logins[number])
		}
	}
	w.clean(0)
}
