package cluster_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"session-manager/bench/cluster"
)

// The primary dies and its standby is promoted, under load. All sessions end, and come back under
// tokens of a new generation; nothing that was acknowledged is lost, and nobody needs a QR.
func TestStoreFailover(t *testing.T) {
	w := begin(t, 6, cluster.Options{Nodes: 3, Store: cluster.Postgres})
	for _, c := range w.clientes {
		w.send(w.Client(), c, "before")
		w.took(c, w.write(c, "before"), soon)
	}
	logins := w.logins(w.clientes)
	w.must(w.Store.Server.FailOver(within(t, 30*time.Second)))
	promoted := time.Now()
	for i, c := range w.clientes {
		id := w.write(c, "during")
		w.send(w.Client(), c, fmt.Sprintf("during %d", i))
		w.took(c, id, 20*time.Second)
	}
	for _, c := range w.clientes {
		w.must(cluster.Await(within(t, 30*time.Second), "an owner of the new generation", func(ctx context.Context) (bool, string, error) {
			o, err := w.Client().Owner(ctx, c)
			return err == nil && strings.HasPrefix(o.Epoch, "2."), o.Owner + " " + o.Epoch, nil
		}))
		_, err := w.Client().WaitReady(within(t, 30*time.Second), c)
		w.must(err)
	}
	t.Logf("all READY in the new generation %v after the promotion", time.Since(promoted).Round(time.Millisecond))
	for i, c := range w.clientes {
		w.send(w.Client(), c, "after")
		w.arrivedOnce(c, "before", fmt.Sprintf("during %d", i), "after")
		w.took(c, w.write(c, "after"), soon)
		if number := cluster.NumberOf(c); w.logins(w.clientes)[number] == logins[number] {
			t.Errorf("cliente %s has not logged in anew", c)
		}
	}
	for _, n := range w.Nodes() {
		if !strings.Contains(n.Log(), "the credential store has failed over") {
			t.Errorf("%s does not say why its sessions have ended", n.Name())
		}
	}
	w.clean(0)
}
