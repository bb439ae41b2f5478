package cluster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"session-manager/bench/cluster"
	"session-manager/bench/emulator"
	"session-manager/node/ownership"
)

// poison is a stanza on which a goroutine of whatsmeow's own panics. WhatsApp delivers it at each login
// until it is answered, which nobody lives to do.
func (w *world) poison(c ownership.Cliente) {
	w.t.Helper()
	_, err := w.Emulator.SendStanza(within(w.t, soon), emulator.RawStanza{Number: cluster.NumberOf(c), Queue: true, Node: emulator.RawNode{
		Tag: "iq", Attrs: map[string]any{"type": "set", "from": "jid:s.whatsapp.net"},
		Content: json.RawMessage(`[{"tag":"pair-success"}]`),
	}})
	w.must(err)
}

// TestFaultB1: a stanza that crashes whatsmeow ends two processes at most. The cliente that got it rests,
// at whichever node and over restarts, and all others are READY within the time of a failover.
func TestFaultB1(t *testing.T) {
	w := begin(t, 9, cluster.Options{Nodes: 3, Store: cluster.Postgres})
	const victim = ownership.Cliente(51)
	w.poison(victim)
	begun := time.Now()
	client := w.Client()
	rests := func(ctx context.Context) (bool, string, error) {
		status, err := client.Status(ctx, victim)
		return err == nil && status.State == "ERROR", fmt.Sprint(status.State, err), nil
	}
	dead := func() (names []string) {
		for _, n := range w.Nodes() {
			if !n.Running() {
				names = append(names, n.Name())
			}
		}
		return names
	}
	w.must(cluster.Await(within(t, 30*time.Second), "a process to die", func(context.Context) (bool, string, error) { return len(dead()) > 0, "", nil }))
	for _, c := range w.clientes {
		if c != victim {
			_, err := client.WaitReady(within(t, 30*time.Second), c)
			w.must(err)
		}
	}
	took := time.Since(begun)
	w.must(cluster.Await(within(t, 30*time.Second), "the cliente to rest", rests))
	for _, c := range w.clientes {
		if c != victim {
			w.send(client, c, "after")
			w.arrivedOnce(c, "after")
		}
	}
	died := dead()
	t.Logf("%v died; all others READY after %v", died, took.Round(time.Millisecond))
	if len(died) < 1 || len(died) > 2 {
		t.Fatalf("%v died, want one, or two", died)
	}
	for _, name := range died {
		n := w.Node(name)
		if kept, err := filepath.Glob(filepath.Join(w.Dir(), name, "crashes", "*.judged")); err != nil || len(kept) != 1 {
			t.Errorf("%s: reports %v, %v", name, kept, err)
		}
		w.must(n.Restart(within(t, 30*time.Second)))
	}
	// It rests wherever it is started next.
	w.owner(victim).Kill()
	w.must(cluster.Await(within(t, 30*time.Second), "the cliente to rest elsewhere", rests))
	if now := dead(); len(now) != 1 {
		t.Errorf("%v are dead, want the one that was killed", now)
	}
}
