package cluster_test

import (
	"context"
	"testing"
	"time"

	"session-manager/bench/cluster"
	"session-manager/node/etcd"
	"session-manager/node/ownership"
)

// A node that lives and works is accused of being dead (protocol rule 9), so that its lease and
// all its keys go at once. It learns of it at its next renewal; whoever takes over holds back
// for that long: at no moment are two sockets of an account open.
func TestWrongAccusationOverlapsNobody(t *testing.T) {
	w := begin(t, 9, cluster.Options{Nodes: 3, Store: cluster.Postgres})
	client, err := etcd.Open(etcd.Config{Endpoints: []string{w.Etcd[0].Endpoint()}, Prefix: "/session-manager/", Timing: ownership.DefaultTiming()})
	w.must(err)
	defer client.Close()
	for round := range 4 {
		victim := w.Nodes()[round%3]
		ctx := within(t, 30*time.Second)
		m, ok, err := client.Member(ctx, victim.Name())
		w.must(err)
		if !ok {
			t.Fatalf("round %d: %s has no key", round, victim.Name())
		}
		w.must(client.Accuse(ctx, m, "a test"))
		begun := time.Now()
		w.must(cluster.Await(ctx, "another lease of "+victim.Name(), func(ctx context.Context) (bool, string, error) {
			now, ok, err := client.Member(ctx, victim.Name())
			return ok && now.Lease != m.Lease, "none", err
		}))
		for _, c := range w.clientes {
			_, err := w.Client().WaitReady(ctx, c)
			w.must(err)
		}
		t.Logf("%s accused: all READY after %v", victim.Name(), time.Since(begun).Round(time.Millisecond))
		for _, c := range w.clientes {
			w.took(c, w.write(c, "after an accusation"), soon)
		}
	}
	w.clean(0)
}
