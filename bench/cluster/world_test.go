package cluster_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"session-manager/bench/cluster"
	"session-manager/node/ownership"
)

const (
	ana       = "5491122220000" // a phone that is nobody's account
	moveLimit = 10 * time.Second
	soon      = 20 * time.Second // for what takes no time: a stalled machine is no failure
)

// world is a running cluster of real programs, with paired clientes 51, 52, ...
type world struct {
	*cluster.Cluster
	t        *testing.T
	clientes []ownership.Cliente
}

// begin starts a cluster and pairs clientes. It is closed at the end of the test; the nodes'
// logs are shown where the test has failed.
func begin(t *testing.T, clientes int, o cluster.Options) *world {
	t.Helper()
	return beginWith(t, clientes, o, "")
}

// beginWith is begin with nodes of another program; "": the present one.
func beginWith(t *testing.T, clientes int, o cluster.Options, program string) *world {
	t.Helper()
	o.Program = program
	o.BinDir, o.Dir, o.Emulator, o.FewPrekeys = built.Dir(t), t.TempDir(), true, true
	c, err := cluster.Start(within(t, 60*time.Second), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("\n" + c.Tails())
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{Cluster: c, t: t}
	ctx := within(t, 60*time.Second)
	for _, n := range c.Nodes() {
		for _, other := range c.Nodes() {
			w.must(n.Client().WaitMember(ctx, other.Name(), true))
		}
	}
	_, err = c.Emulator.AddPhone(ctx, ana, "Ana")
	w.must(err)
	var g errgroup.Group
	for i := range clientes {
		cliente := ownership.Cliente(51 + i)
		w.clientes = append(w.clientes, cliente)
		g.Go(func() error {
			_, err := c.Pair(ctx, cliente, cluster.NumberOf(cliente))
			return err
		})
	}
	w.must(g.Wait())
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// owner is the node that owns a cliente.
func (w *world) owner(c ownership.Cliente) *cluster.Node {
	w.t.Helper()
	o, err := w.Client().Owner(within(w.t, soon), c)
	w.must(err)
	n := w.Node(o.Owner)
	if n == nil {
		w.t.Fatalf("cliente %s is owned by %q", c, o.Owner)
	}
	return n
}

// ownedBy are the clientes of a node.
func (w *world) ownedBy(n *cluster.Node) (its []ownership.Cliente) {
	w.t.Helper()
	for _, c := range w.clientes {
		if w.owner(c) == n {
			its = append(its, c)
		}
	}
	return its
}

// back waits until clientes are READY at another node than former, without a QR on the way.
func (w *world) back(clientes []ownership.Cliente, former *cluster.Node, limit time.Duration) {
	w.t.Helper()
	ctx := within(w.t, limit)
	begun := time.Now()
	client := w.Client(former)
	var g errgroup.Group
	for _, c := range clientes {
		g.Go(func() error {
			_, err := client.WaitBack(ctx, c, former.Name())
			return err
		})
	}
	w.must(g.Wait())
	w.t.Logf("%d clientes of %s READY elsewhere after %v", len(clientes), former.Name(), time.Since(begun).Round(time.Millisecond))
}

// send sends until acknowledged; a text is a key.
func (w *world) send(client *cluster.Client, c ownership.Cliente, text string) cluster.Sent {
	w.t.Helper()
	sent, _, err := client.SendUntil(within(w.t, 20*time.Second), c, message(c, text))
	w.must(err)
	return sent
}

func message(c ownership.Cliente, text string) cluster.Message {
	return cluster.Message{To: ana, Text: fmt.Sprintf("%s: %s", c, text), Key: strings.ReplaceAll("key of "+text, " ", "-")}
}

// arrivedOnce checks that Ana's phone shows each text of a cliente once.
func (w *world) arrivedOnce(c ownership.Cliente, texts ...string) {
	w.t.Helper()
	for _, text := range texts {
		w.must(w.WaitShownOnce(within(w.t, soon), ana, message(c, text).Text))
	}
}

// write has Ana write to a cliente.
func (w *world) write(c ownership.Cliente, text string) (id string) {
	w.t.Helper()
	id, err := w.Emulator.SendMessage(within(w.t, soon), ana, cluster.NumberOf(c), text)
	w.must(err)
	return id
}

// took waits until a cliente's device has acknowledged a message.
func (w *world) took(c ownership.Cliente, id string, limit time.Duration) {
	w.t.Helper()
	_, err := w.WaitAcknowledged(within(w.t, limit), cluster.NumberOf(c), id, 0)
	w.must(err)
}

// clean is the referee's word: nothing forked, nothing undecryptable, nothing sent to nobody,
// and as many overlaps as the test has forced.
func (w *world) clean(overlaps int64) {
	w.t.Helper()
	stats, err := w.Clean(within(w.t, soon))
	if stats.Overlaps == overlaps && stats.RatchetForks == 0 && stats.Undecryptable == 0 && stats.Empty == 0 {
		w.t.Logf("referee: %d logins, %d messages, %d again under their ID, %d gaps, %d overlaps", stats.Logins, stats.Messages, stats.Duplicates, stats.RatchetGaps, stats.Overlaps)
		return
	}
	w.t.Errorf("%d overlaps, want %d; %v", stats.Overlaps, overlaps, err)
}
