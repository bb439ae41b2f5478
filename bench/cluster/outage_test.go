package cluster_test

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"session-manager/bench/cluster"
	"session-manager/node/ownership"
)

// etcd is away for longer than every lease: the store vouches for the sessions, which go on and
// do not log in again. It comes back without the leases after a pause, which its clock has
// counted, and with them after a restart, which renews them.
func TestEtcdOutageCostsNoSession(t *testing.T) {
	const away = 12 * time.Second
	for _, c := range []struct {
		name       string
		stop, cont func(e *cluster.Etcd) error
	}{
		{"paused", func(e *cluster.Etcd) error { return e.Pause() }, func(e *cluster.Etcd) error { return e.Resume() }},
		{"restarted", func(e *cluster.Etcd) error { e.Kill(); return nil }, func(e *cluster.Etcd) error { return e.Restart(within(t, 20*time.Second)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := begin(t, 9, cluster.Options{Nodes: 3, Store: cluster.Postgres})
			logins := w.logins(w.clientes)
			owners := make(map[ownership.Cliente]string)
			for _, c := range w.clientes {
				owners[c] = w.owner(c).Name()
			}
			var sent []string
			sends := func(limit time.Duration) {
				pace := time.NewTicker(200 * time.Millisecond)
				defer pace.Stop()
				for n, end := 0, time.Now().Add(limit); time.Now().Before(end); n++ {
					<-pace.C
					for _, c := range w.clientes {
						text := fmt.Sprintf("%s %d.%d", limit, c, n)
						ctx, cancel := context.WithTimeout(context.Background(), soon)
						if _, err := w.Client().Send(ctx, c, message(c, text)); err != nil {
							t.Errorf("send during the outage: %v", err)
						}
						cancel()
						sent = append(sent, message(c, text).Text)
					}
				}
			}
			w.must(c.stop(w.Etcd[0]))
			sends(away)
			for _, c := range w.clientes {
				w.took(c, w.write(c, "while etcd is away"), soon)
			}
			w.must(c.cont(w.Etcd[0]))
			sends(8 * time.Second)
			if now := w.logins(w.clientes); !maps.Equal(now, logins) {
				t.Errorf("logins %v, before the outage %v", now, logins)
			}
			for _, c := range w.clientes {
				if now := w.owner(c).Name(); now != owners[c] {
					t.Errorf("cliente %s went from %s to %s", c, owners[c], now)
				}
			}
			w.shownOnce(sent)
			t.Logf("%d sends while etcd was away and after", len(sent))
			w.clean(0)

			// What follows is as ever: an owner dies, and its clientes are taken over.
			victim := w.owner(w.clientes[0])
			its := w.ownedBy(victim)
			victim.Kill()
			w.back(its, victim, moveLimit)
		})
	}
}
