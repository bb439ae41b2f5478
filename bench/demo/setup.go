package demo

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"session-manager/bench/cluster"
	"session-manager/node/ownership"
)

// atOnce is how many clientes pair at the same time: a first login stores 812 one-time keys.
const atOnce = 4

func (d *demo) start(ctx context.Context, f *figures) error {
	c, err := cluster.Start(ctx, cluster.Options{
		Nodes: nodes, BinDir: d.o.BinDir, Store: d.o.Store, Emulator: true, Log: d.o.Log,
	})
	if err != nil {
		return err
	}
	d.cluster = c
	for _, n := range c.Nodes() {
		f.add("%s %s pid %d", n.Name(), n.URL(), n.PID())
		for _, other := range c.Nodes() {
			if err := n.Client().WaitMember(ctx, other.Name(), true); err != nil {
				return err
			}
		}
	}
	_, err = c.Emulator.AddPhone(ctx, friend, "Ana")
	return err
}

func (d *demo) pair(ctx context.Context, f *figures) error {
	for i := range d.o.Clientes {
		d.paired = append(d.paired, accountOf(firstOwn+ownership.Cliente(i)))
	}
	took := make([]time.Duration, len(d.paired))
	var mu sync.Mutex // guards owners
	owners := make(map[string]int)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i, a := range d.paired {
		g.Go(func() error {
			begun := time.Now()
			s, err := d.cluster.Pair(ctx, a.cliente, a.number)
			took[i] = time.Since(begun)
			mu.Lock()
			defer mu.Unlock()
			owners[s.Owner]++
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	f.add("request to READY, scan included: %s", spread(took))
	f.add("owners: %s", tally(owners))
	return nil
}

// tally is "node1 2, node2 3".
func tally(counts map[string]int) string {
	var words []string
	for name, n := range counts {
		words = append(words, fmt.Sprintf("%s %d", name, n))
	}
	sort.Strings(words)
	return strings.Join(words, ", ")
}

// leave closes everything and looks whether it is gone.
func (d *demo) leave(_ context.Context, f *figures) error {
	if d.cluster == nil {
		return nil // Start has cleaned up after itself
	}
	pids := d.cluster.PIDs()
	if err := d.cluster.Close(); err != nil {
		return err
	}
	f.add("%d processes gone, %s removed", len(pids), d.cluster.Dir())
	if left := d.cluster.PIDs(); len(left) > 0 {
		return fmt.Errorf("processes %v still run", left)
	}
	return errors.Join(stillThere(d.cluster.Dir()), alive(pids))
}
