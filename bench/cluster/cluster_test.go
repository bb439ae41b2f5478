package cluster_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"session-manager/bench/cluster"
	"session-manager/node/ownership"
)

// Any node takes any request and gets it to the owner.
func TestRequestsAtAnyNodeReachTheOwner(t *testing.T) {
	w := begin(t, 3, cluster.Options{Nodes: 3, Store: cluster.Postgres})
	for _, c := range w.clientes {
		owner := w.owner(c)
		epochs := make(map[string]bool)
		for _, n := range w.Nodes() {
			s, err := n.Client().Status(within(t, soon), c)
			if err != nil || s.State != "READY" || s.Owner != owner.Name() {
				t.Errorf("cliente %s at %s: %+v, %v; want READY by %s", c, n.Name(), s, err, owner.Name())
			}
			epochs[s.Epoch] = true
			text := "through " + n.Name()
			if sent := w.send(n.Client(), c, text); sent.Owner != owner.Name() {
				t.Errorf("cliente %s: sent %s by %s, want %s", c, text, sent.Owner, owner.Name())
			}
			w.arrivedOnce(c, text)
		}
		if len(epochs) != 1 || epochs[""] {
			t.Errorf("cliente %s: epochs %v, want one", c, epochs)
		}
		w.took(c, w.write(c, "hola"), soon)
	}
	info, err := w.Client().ClusterInfo(within(t, soon))
	w.must(err)
	owned := 0
	for _, n := range info.Nodes {
		owned += n.Owned
	}
	if len(info.Nodes) != 3 || owned != 3 {
		t.Errorf("/cluster: %+v, want 3 nodes that own 3 clientes", info)
	}
	w.clean(0)
}

// An owner is killed, round after round, each time another one; the dead come back empty.
func TestKilledOwner(t *testing.T) {
	for _, store := range []string{cluster.Postgres, cluster.SQLite} {
		t.Run(store, func(t *testing.T) {
			w := begin(t, 6, cluster.Options{Nodes: 3, Store: store})
			for round := range 3 {
				w.killOwner(w.clientes[0], round)
			}
			w.clean(0)
		})
	}
}

func (w *world) killOwner(c ownership.Cliente, round int) {
	w.t.Helper()
	text := func(when string) string { return fmt.Sprintf("%s kill %d", when, round) }
	victim := w.owner(c)
	its := w.ownedBy(victim)
	survivors := w.Client(victim)
	before := w.send(survivors, c, text("before"))

	type outcome struct {
		sent cluster.Sent
		err  error
	}
	inFlight := make(chan outcome, 1)
	ctx := within(w.t, 20*time.Second)
	go func() {
		sent, _, err := survivors.SendUntil(ctx, c, message(c, text("during")))
		inFlight <- outcome{sent, err}
	}()
	victim.Kill()
	killed := time.Now()
	incoming := w.write(c, text("while dead at"))
	w.back(its, victim, moveLimit)
	w.took(c, incoming, moveLimit-time.Since(killed))
	during := <-inFlight
	w.must(during.err)

	// Whoever repeats a key gets the message that it stands for.
	for when, first := range map[string]cluster.Sent{"before": before, "during": during.sent} {
		if again := w.send(survivors, c, text(when)); again.MessageID != first.MessageID {
			w.t.Errorf("key of %q: %s at first, %s after the failover", text(when), first.MessageID, again.MessageID)
		}
	}
	w.send(survivors, c, text("after"))
	w.arrivedOnce(c, text("before"), text("during"), text("after"))
	w.must(victim.Restart(within(w.t, 20*time.Second)))
	w.must(victim.Client().WaitMember(within(w.t, soon), victim.Name(), true))
}

// A planned end: the clientes move before the node is gone, and it exits with 0.
func TestTerminatedOwnerHandsOver(t *testing.T) {
	w := begin(t, 4, cluster.Options{Nodes: 3, Store: cluster.Postgres})
	victim := w.owner(w.clientes[0])
	its := w.ownedBy(victim)
	w.must(victim.Signal(syscall.SIGTERM))
	w.back(its, victim, moveLimit)
	if code, err := victim.Wait(within(t, 20*time.Second)); code != 0 || err != nil {
		t.Errorf("exit code %d, %v", code, err)
	}
	for _, c := range its {
		w.send(w.Client(), c, "after the move")
		w.arrivedOnce(c, "after the move")
		w.took(c, w.write(c, "hola"), soon)
	}
	w.clean(0)
}

// A single node, with nothing but itself: every paired cliente comes back by itself.
func TestSingleNodeRestarts(t *testing.T) {
	w := begin(t, 4, cluster.Options{Nodes: 1, Embedded: true})
	n := w.Nodes()[0]
	for round, stop := range []struct {
		name string
		end  func()
	}{
		{"SIGTERM", func() {
			if code, err := n.Terminate(within(t, 20*time.Second)); code != 0 || err != nil {
				t.Errorf("exit code %d, %v", code, err)
			}
		}},
		{"SIGKILL", n.Kill},
	} {
		stop.end()
		ids := make(map[ownership.Cliente]string)
		for _, c := range w.clientes {
			ids[c] = w.write(c, "hola after "+stop.name)
		}
		begun := time.Now()
		w.must(n.Start(within(t, 20*time.Second)))
		// No request has come for them: the message proves that they run.
		for c, id := range ids {
			w.took(c, id, 15*time.Second)
		}
		t.Logf("%s: all back %v after the start", stop.name, time.Since(begun).Round(time.Millisecond))
		for _, c := range w.clientes {
			s, err := n.Client().Status(within(t, soon), c)
			if err != nil || s.State != "READY" {
				t.Errorf("after %s: cliente %s: %+v, %v", stop.name, c, s, err)
			}
			w.send(n.Client(), c, "after "+stop.name)
			w.arrivedOnce(c, "after "+stop.name)
		}
		devices, err := w.Emulator.Devices(within(t, soon))
		w.must(err)
		for _, d := range devices {
			if d.Logins != round+2 {
				t.Errorf("device %s: %d logins after %d restarts", d.Device, d.Logins, round+1)
			}
		}
	}
	w.clean(0)
}
