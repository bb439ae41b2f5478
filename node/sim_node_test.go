package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"session-manager/node/etcd"
	"session-manager/node/ownership"
	"session-manager/ring/gossip"
)

// link is one direction between two places.
type link struct {
	mu   sync.Mutex // guards what follows
	cut  bool
	slow time.Duration // of a call, at most
	rand func(n int) int
}

// pass waits as long as a message takes, and says whether it arrives before ctx ends.
func (l *link) pass(ctx context.Context) bool {
	l.mu.Lock()
	cut, slow := l.cut, time.Millisecond+time.Duration(l.rand(int(l.slow)))
	l.mu.Unlock()
	if cut {
		<-ctx.Done()
		return false
	}
	select {
	case <-time.After(slow):
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

func (l *link) set(cut bool, slow time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut, l.slow = cut, max(slow, time.Millisecond)
}

// simNode is one node's place; its process may crash and be followed by another.
type simNode struct {
	sim                                  *simulation
	name                                 string
	toEtcd, fromEtcd, toStore, fromStore *link
	process                              ownership.Process
	crash                                context.CancelFunc
	done                                 chan struct{}
	keeper                               *keeper
	leaser                               *leaser

	mu    sync.Mutex      // guards what follows
	ended map[string]bool // incarnations that this node has seen to end
	deaf  bool            // gossip does not hear it
	ends  *signal
}

func (n *simNode) SawEnd(incarnation string) bool {
	return slices.Contains(n.Ended(), incarnation)
}

func (n *simNode) Ended() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Collect(maps.Keys(n.ended))
}

func (n *simNode) Changed() <-chan struct{} { return n.ends.Wait() }

func (n *simNode) sees(incarnation string) {
	n.mu.Lock()
	n.ended[incarnation] = true
	n.mu.Unlock()
	n.ends.Raise()
}

// simGossip is who a node hears. It is as good as gossip gets: news of it travel at once.
type simGossip struct {
	n       *simNode
	changed chan struct{}
}

func (g simGossip) Alive() []gossip.Member {
	var alive []gossip.Member
	for _, n := range g.n.sim.nodes {
		n.mu.Lock()
		if !n.deaf || n == g.n {
			alive = append(alive, gossip.Member{Name: n.name})
		}
		n.mu.Unlock()
	}
	return alive
}

func (g simGossip) Changed() <-chan struct{} { return g.changed }
func (g simGossip) Nudge()                   {}

// boot starts a process of the node.
func (n *simNode) boot(life int) {
	ctx, crash := context.WithCancel(context.Background())
	n.process = ownership.Process{Node: n.name, Incarnation: fmt.Sprintf("%s.%d", n.name, life)}
	n.crash, n.done = crash, make(chan struct{})
	n.setDeaf(false)
	timing := ownership.DefaultTiming()
	if n.sim.mutant == "lease believed in too long" {
		timing.Margin = -4 * time.Second
	}
	log := slog.New(slog.DiscardHandler)
	m := newMetrics(prometheus.NewRegistry())
	client, db := simClient{n.sim.etcd, n}, simDB{n.sim.store, n}
	view := &simView{changed: newSignal(), events: make(chan etcd.Event), former: make(map[ownership.Cliente]etcd.Former)}
	changed := newSignal()
	wasMine := func(incarnation string) bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.ended[incarnation] && incarnation != n.process.Incarnation
	}
	accused := client.Accused
	if n.sim.mutant == "accusations are not asked for" {
		accused = func(context.Context, string) (bool, error) { return false, nil }
	}
	n.keeper = newKeeper(ctx, timing, n.process, 0, client,
		successions{fenceStore: db, accused: accused, witness: n, mine: n.Ended, process: n.process, timing: timing}, n, changed, m, log)
	n.keeper.unpaired.unasked = 300 * time.Millisecond
	n.leaser = &leaser{
		timing: timing, etcd: client, store: db, keeper: n.keeper, wasMine: wasMine, members: view.Members,
		settle: func(ctx context.Context) (ownership.Identity, error) {
			id := ownership.Identity{UUID: "u", Generation: 1}
			return id, errors.Join(client.call(ctx, n, func() error { return nil }), db.call(ctx, func() error { return nil }))
		},
		exit: func(int) { panic("a session did not end") }, flaps: ownership.NewFlaps(timing), log: log, metrics: m, reason: &reason{},
		member: etcd.Member{Name: n.name, Incarnation: n.process.Incarnation}, doubt: make(chan struct{}, 1),
	}
	hears := simGossip{n, make(chan struct{})}
	place := newPlacement(hears, view, view, func(string) {}, changed)
	g := &grace{node: n.name, timing: timing, gossip: hears, records: view, witness: n, store: db, log: log}
	sweeper := &sweeper{timing: timing, node: n.name, keeper: n.keeper, placement: place, records: view, events: view.events, store: db,
		grace: g, ends: n, synced: view.Synced, doubt: n.leaser.Doubt, recheck: n.leaser.Recheck, publish: n.leaser.Publish, log: log}
	done, k := n.done, n.keeper
	go func() {
		defer close(done)
		var loops sync.WaitGroup
		for _, loop := range []func(context.Context){
			func(ctx context.Context) { view.follow(ctx, n) }, place.Run, n.keeper.Run, n.leaser.Run, sweeper.Run,
		} {
			loops.Go(func() { loop(ctx) })
		}
		loops.Wait()
		for _, lease := range k.Leases() { // what is left of a process that has ended
			k.LeaseLost(lease)
		}
		k.Wait()
	}()
}

// kill ends the process at once, and what a kernel would do for others to see happens.
func (n *simNode) kill() {
	dead := n.process.Incarnation
	n.mu.Lock()
	n.ended[dead] = true
	n.deaf = true
	n.mu.Unlock()
	n.sim.mu.Lock()
	for c, s := range n.sim.running {
		if s.node == n {
			delete(n.sim.running, c)
		}
	}
	n.sim.mu.Unlock()
	n.crash()
	<-n.done
	if n.sim.random(2) == 0 { // else nobody could see it
		for _, other := range n.sim.nodes {
			if other != n {
				other.sees(dead)
			}
		}
		n.sim.etcd.accuse(n.name)
	}
}

func (n *simNode) crashed() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ended[n.process.Incarnation]
}

func (n *simNode) setDeaf(deaf bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.deaf = deaf
}
