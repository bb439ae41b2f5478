package cluster_test

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"session-manager/bench/cluster"
	"session-manager/node/ownership"
)

// traffic sends through all nodes in turn until stop, and then says how many sends there were
// and what went wrong.
func (w *world) traffic(every time.Duration) (stop func() (sent []string, longest time.Duration)) {
	ctx, cancel := context.WithCancel(context.Background())
	var mu sync.Mutex // guards what follows
	var sent []string
	var longest time.Duration
	var work sync.WaitGroup
	work.Go(func() {
		pace := time.NewTicker(every)
		defer pace.Stop()
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-pace.C:
			}
			c := w.clientes[n%len(w.clientes)]
			node := w.Nodes()[n%len(w.Nodes())]
			if node.URL() == "http://" { // not started yet
				node = w.Nodes()[0]
			}
			client := node.Client()
			work.Go(func() {
				text := fmt.Sprintf("traffic %d", n)
				begun := time.Now()
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
				defer cancel()
				_, err := client.Send(ctx, c, message(c, text))
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					w.t.Errorf("%s for cliente %s: %v", text, c, err)
					return
				}
				sent = append(sent, message(c, text).Text)
				longest = max(longest, time.Since(begun))
			})
		}
	})
	return func() ([]string, time.Duration) {
		cancel()
		work.Wait()
		return sent, longest
	}
}

// shownOnce checks that Ana's phone shows each text once.
func (w *world) shownOnce(texts []string) {
	w.t.Helper()
	inbox, err := w.Emulator.Inbox(within(w.t, soon), ana)
	w.must(err)
	shown := make(map[string]int)
	for _, m := range inbox {
		shown[m.Text]++
	}
	for _, text := range texts {
		if shown[text] != 1 {
			w.t.Errorf("%q is shown %d times", text, shown[text])
		}
	}
}

// operate runs the operator's tool against the first node.
func (w *world) operate(args ...string) string {
	w.t.Helper()
	args = append(args, "--url", w.Nodes()[0].URL())
	out, err := exec.CommandContext(within(w.t, 60*time.Second), filepath.Join(built.Dir(w.t), "session-manager"), args...).CombinedOutput()
	if err != nil {
		w.t.Fatalf("session-manager %q: %v\n%s", args, err, out)
	}
	return string(bytes.TrimSpace(out))
}

// owned counts the clientes of each node.
func (w *world) owned() map[string]int {
	counts := make(map[string]int)
	for _, c := range w.clientes {
		counts[w.owner(c).Name()]++
	}
	return counts
}

// A node that joins gets its share without a failed request; an operator moves one cliente, where
// it stays, and empties a node, which stays empty.
func TestPlannedMoves(t *testing.T) {
	w := begin(t, 24, cluster.Options{Nodes: 2, Store: cluster.Postgres})
	stop := w.traffic(20 * time.Millisecond)
	joined, err := w.AddNode(within(t, 30*time.Second))
	w.must(err)
	begun := time.Now()
	placed := func(ctx context.Context) (bool, string, error) {
		misplaced := 0
		for _, c := range w.clientes {
			o, err := w.Client().Owner(ctx, c)
			if err != nil || o.Owner != o.Placement {
				misplaced++
			}
		}
		return misplaced == 0, fmt.Sprintf("%d clientes are not where the ring places them", misplaced), nil
	}
	w.must(cluster.Await(within(t, 60*time.Second), "balance", placed))
	t.Logf("%s joined; balanced after %v: %v", joined.Name(), time.Since(begun).Round(time.Millisecond), w.owned())
	if w.owned()[joined.Name()] == 0 {
		t.Error("the new node has nothing")
	}

	var c ownership.Cliente
	for _, one := range w.clientes {
		if w.owner(one) != joined {
			c = one
		}
	}
	if out, want := w.operate("move", c.String(), "--to", joined.Name()), fmt.Sprintf("cliente %s is at %s", c, joined.Name()); out != want {
		t.Errorf("move says %q, want %q", out, want)
	}
	if out, want := w.operate("drain", joined.Name()), joined.Name()+" has no clientes"; out != want {
		t.Errorf("drain says %q, want %q", out, want)
	}
	if n := w.owned()[joined.Name()]; n != 0 {
		t.Errorf("the drained node owns %d clientes", n)
	}
	w.operate("drain", joined.Name(), "--undo")
	w.must(cluster.Await(within(t, 60*time.Second), "balance", placed))
	if o := w.owner(c); o != joined {
		t.Errorf("cliente %s, which an operator moved to %s, is at %s", c, joined.Name(), o.Name())
	}
	w.operate("move", c.String(), "--undo")
	w.must(cluster.Await(within(t, 60*time.Second), "balance", placed))
	if o := w.owner(c); o == joined {
		t.Errorf("cliente %s is still at %s", c, o.Name())
	}
	sent, longest := stop()
	t.Logf("%d sends meanwhile, the longest took %v", len(sent), longest.Round(time.Millisecond))
	w.shownOnce(sent)
	w.clean(0)
}
