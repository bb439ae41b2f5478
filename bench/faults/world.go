package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"session-manager/bench/cluster"
	"session-manager/bench/emulator"
	"session-manager/node/ownership"
)

const (
	nodes        = 3
	firstCliente = ownership.Cliente(51)
	friends      = 8 // phones that are nobody's account: everybody's correspondents
	pairAtOnce   = 8
	pairLimit    = 20 * time.Minute // of all clientes
	startLimit   = 90 * time.Second
)

// world is a cluster with paired clientes, and what watches it.
type world struct {
	*cluster.Cluster
	o         Options
	network   *network // nil: all on loopback
	disk      string   // mount point of the store\'s file system; "": it has none
	clientes  []ownership.Cliente
	balancer  *balancer
	watch     *watch
	audit     *audit
	crossing  bool                         // letters come from whom the cliente writes to
	groups    map[ownership.Cliente]string // JIDs of groups of a cliente and its friend, where there are any
	forgetful bool                         // phones lose sessions: that they cannot decrypt is as it should be
	strange   bool                         // who writes, and what, holds what the store refuses
	begun     emulator.Stats               // when the clientes were paired

	mu       sync.Mutex // guards what follows
	troubles []string   // of the harness itself
	notReady int        // sessions that were not READY again in time
}

// begin starts a cluster, pairs the clientes and watches. The caller closes it.
func begin(ctx context.Context, o Options, s scenario, nodeArgs ...string) (*world, error) {
	w := &world{o: o}
	co := cluster.Options{Nodes: nodes, BinDir: o.BinDir, Dir: o.Dir, Store: cluster.Postgres, Etcd: s.etcd, Emulator: true, FewPrekeys: true, NodeArgs: nodeArgs}
	if s.storeMB > 0 {
		var err error
		if w.disk, err = mount(s.storeMB); err != nil {
			return nil, err
		}
		co.StoreDir = w.disk
	}
	if s.cluster != nil {
		if err := s.cluster(o, &co); err != nil {
			return nil, err
		}
	}
	if s.cuts {
		network, err := newNetwork(ctx)
		if err != nil {
			return nil, err
		}
		w.network, co.Place = network, network.place
		args, err := network.nodeArgs()
		if err != nil {
			return nil, err
		}
		co.NodeArgs = slices.Concat(co.NodeArgs, args)
	}
	c, err := cluster.Start(ctx, co)
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	w.Cluster = c
	if err := w.settle(ctx); err != nil {
		err = fmt.Errorf("%w\n%s", err, c.Tails())
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *world) settle(ctx context.Context) (err error) {
	starting, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("waited %v", startLimit))
	defer cancel()
	for _, n := range w.Nodes() {
		if err := w.everybodySees(starting, n); err != nil {
			return err
		}
	}
	w.balancer = balance(w.Cluster)
	w.watch = follow(w.Emulator, w.trouble)
	for n := range friends {
		if _, err := w.Emulator.AddPhone(ctx, friend(n), fmt.Sprintf("Friend %d", n)); err != nil {
			return err
		}
	}
	if w.Store.Server != nil { // there is a Postgres
		if w.audit, err = newAudit(ctx, w.Store.URL()); err != nil {
			return err
		}
	}
	if err := w.pair(ctx); err != nil {
		return err
	}
	w.begun, err = w.Emulator.Stats(ctx)
	return err
}

// everybodySees waits until all running nodes have n on their ring.
func (w *world) everybodySees(ctx context.Context, n *cluster.Node) error {
	for _, other := range w.Nodes() {
		if other.Running() {
			if err := other.Client().WaitMember(ctx, n.Name(), true); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *world) pair(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, pairLimit, fmt.Errorf("waited %v", pairLimit))
	defer cancel()
	begun := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(pairAtOnce)
	for n := range w.o.Clientes {
		c := firstCliente + ownership.Cliente(n)
		w.clientes = append(w.clientes, c)
		g.Go(func() error {
			_, err := w.Pair(ctx, c, cluster.NumberOf(c))
			return err
		})
	}
	err := g.Wait()
	w.o.say("%d clientes paired in %v", len(w.clientes), time.Since(begun).Round(time.Millisecond))
	return err
}

func friend(n int) string { return fmt.Sprintf("5491122220%03d", n) }

// friendOf is who a cliente writes to.
func friendOf(c ownership.Cliente) string { return friend(int(c) % friends) }

// recipient returns what the n-th send of all goes to: every fourth to a group, where there are groups.
func (w *world) recipient(c ownership.Cliente, n int) string {
	if group, ok := w.groups[c]; ok && n/len(w.clientes)%4 == 3 {
		return group
	}
	return friendOf(c)
}

// writerTo is who writes to a cliente: somebody else, except where letters are to cross. What
// crosses needs no fault to go wrong, and would be in the way of what a fault does.
func (w *world) writerTo(c ownership.Cliente) string {
	switch {
	case w.strange:
		return stranger
	case w.crossing:
		return friendOf(c)
	}
	return friend(int(c+1) % friends)
}

// letterTo is the text of the n-th letter.
func (w *world) letterTo(c ownership.Cliente, n int) string {
	text := fmt.Sprintf("to %s: %d", c, n)
	if w.strange && n%2 == 1 {
		text += "\x00 and more"
	}
	return text
}

// trouble books that the harness could not do what it should have.
func (w *world) trouble(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.troubles = append(w.troubles, err.Error())
}

// ownedBy are the clientes of each node, by its name.
func (w *world) ownedBy(ctx context.Context) (map[string][]ownership.Cliente, error) {
	owned := make(map[string][]ownership.Cliente)
	for _, c := range w.clientes {
		o, err := w.balancer.Client().Owner(ctx, c)
		if err != nil {
			return nil, err
		}
		owned[o.Owner] = append(owned[o.Owner], c)
	}
	return owned, nil
}

// allReady waits until every cliente is READY, and returns those that were not in time.
func (w *world) allReady(ctx context.Context, limit time.Duration) (not []string) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("waited %v", limit))
	defer cancel()
	var mu sync.Mutex // guards not
	var g errgroup.Group
	g.SetLimit(16)
	for _, c := range w.clientes {
		g.Go(func() error {
			if _, err := w.balancer.Client().WaitReady(ctx, c); err != nil {
				mu.Lock()
				defer mu.Unlock()
				not = append(not, err.Error())
			}
			return nil
		})
	}
	_ = g.Wait() // returns none
	return not
}

func (w *world) close() error {
	var errs []error
	caller.CloseIdleConnections()
	if w.balancer != nil {
		w.balancer.close()
	}
	if w.watch != nil {
		w.watch.close()
	}
	if w.audit != nil {
		w.audit.close()
	}
	if w.Cluster != nil {
		errs = append(errs, w.Cluster.Close())
	}
	if w.network != nil {
		errs = append(errs, w.network.close())
	}
	if w.disk != "" {
		errs = append(errs, unmount(w.disk))
	}
	return errors.Join(errs...)
}
