package cluster_test

import (
	"context"
	"testing"
	"time"

	"session-manager/bench/cluster"
	"session-manager/bench/emulator"
)

// A caller that can send no key asks another node after its owner was killed: the message is shown once. Once it
// has its answer, the same again is another message.
func TestFaultA3KilledOwnerWithoutAKey(t *testing.T) {
	w := begin(t, 1, cluster.Options{Nodes: 2, Store: cluster.Postgres})
	c := w.clientes[0]
	owner := w.owner(c)
	ctx := within(t, 60*time.Second)
	w.send(w.Client(), c, "before") // the recipient's devices are known
	before, err := w.Emulator.Events(ctx, 0)
	w.must(err)
	since := before[len(before)-1].N
	w.must(w.Emulator.SetFault(ctx, emulator.Fault{Kind: "delay", Number: "*", DelayMS: 1000, ForMS: 60_000}))
	m := cluster.Message{To: ana, Text: "without a key"}
	lost := make(chan error, 1)
	go func() {
		_, err := owner.Client().Send(ctx, c, m)
		lost <- err
	}()
	w.must(cluster.Await(ctx, "the message has left", func(ctx context.Context) (bool, string, error) {
		events, err := w.Emulator.Events(ctx, since)
		for _, e := range events {
			if e.Kind == emulator.KindMessage && e.Number == cluster.NumberOf(c) {
				return true, "", err
			}
		}
		return false, "not yet", err
	}))
	owner.Kill()
	if err := <-lost; err == nil {
		t.Fatal("the owner answered before it was killed")
	}
	w.must(w.Emulator.ClearFaults(ctx))
	w.back(w.clientes, owner, 30*time.Second)
	again, err := w.Client(owner).Send(ctx, c, m)
	w.must(err)
	w.must(w.WaitShownOnce(within(t, soon), ana, m.Text))
	other, err := w.Client(owner).Send(ctx, c, m)
	w.must(err)
	if other.MessageID == again.MessageID {
		t.Error("the same on purpose is taken for a repeat")
	}
}
