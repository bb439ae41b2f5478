package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"session-manager/node/etcd"
	"session-manager/node/ownership"
	"session-manager/ring/gossip"
	"session-manager/router/api"
)

// A whole cluster in synthetic time: what decides ownership is the product's own (leaser, keeper,
// sweeper, grace, succession, placement), what it talks to is simulated and fails at random, per
// direction: calls are slow, requests and answers are lost, etcd is away and comes back with
// its leases or without, nodes are cut off from one thing or from all, are accused wrongly, and
// crash. The referee knows which sessions run: never two of one cliente. In the end, when
// everything is well again, all run.
//
// A simulation that finds nothing proves nothing unless it finds the protocol's known mutants:
// each must be caught in some of the runs in which the protocol itself is not.

const (
	simNodes    = 3
	simClientes = ownership.Cliente(6)
	simLength   = 90 * time.Second
)

type simulation struct {
	mutant string
	etcd   *simEtcd
	store  *simStore
	random func(n int) int
	nodes  []*simNode

	mu       sync.Mutex // guards what follows
	running  map[ownership.Cliente]*simSession
	overlaps []string
	logins   int
}

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
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ended[incarnation]
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

// simSession is a session that the referee watches: it runs from its login until it has ended.
type simSession struct {
	api.Session
	sim  *simulation
	node *simNode
	hold *ownership.Hold
	stop context.CancelFunc
	done chan struct{}
}

func (n *simNode) Start(hold *ownership.Hold) running {
	ctx, cancel := context.WithCancel(hold.Context())
	s := &simSession{sim: n.sim, node: n, hold: hold, stop: cancel, done: make(chan struct{})}
	go s.run(ctx)
	return s
}

func (s *simSession) run(ctx context.Context) {
	defer close(s.done)
	select {
	case <-ctx.Done():
		return
	case <-time.After(50 * time.Millisecond): // the way to the login
	}
	if s.hold.Check(time.Now()) != nil {
		return
	}
	s.sim.login(s)
	defer s.sim.logout(s)
	for ctx.Err() == nil && s.hold.Check(time.Now()) == nil {
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond): // the next outward act
		}
	}
	if s.node.crashed() {
		return
	}
	time.Sleep(time.Duration(s.sim.random(int(400 * time.Millisecond)))) // it takes its time to end, below Stop
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

func (s *simSession) Snapshot() api.Snapshot { return api.Snapshot{State: api.Ready} }
func (s *simSession) Wake()                  {}
func (s *simSession) Stop(error)             { s.stop() }
func (s *simSession) AfterDone(f func())     { go func() { <-s.done; f() }() }
func (s *simSession) Err() error             { return context.Cause(s.hold.Context()) }

func (s *simulation) login(in *simSession) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logins++
	c := in.hold.Cliente()
	if other := s.running[c]; other != nil {
		s.overlaps = append(s.overlaps, fmt.Sprintf("%s: cliente %s logs in at %s under %s while it runs at %s under %s",
			time.Now().Format("05.000"), c, in.node.name, in.hold.Token(), other.node.name, other.hold.Token()))
	}
	s.running[c] = in
}

func (s *simulation) logout(out *simSession) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[out.hold.Cliente()] == out {
		delete(s.running, out.hold.Cliente())
	}
}

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
		successions{fenceStore: db, accused: accused, witness: n, wasMine: wasMine, process: n.process, timing: timing}, n, changed, m, log)
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

func simulate(t *testing.T, seed uint64, mutant string) *simulation {
	s := &simulation{mutant: mutant, running: make(map[ownership.Cliente]*simSession), store: newSimStore()}
	synctest.Test(t, func(t *testing.T) {
		var lock sync.Mutex
		source := rand.New(rand.NewPCG(seed, 1))
		s.random = func(n int) int {
			lock.Lock()
			defer lock.Unlock()
			return source.IntN(max(n, 1))
		}
		s.etcd = newSimEtcd(s)
		for i := range simNodes {
			n := &simNode{sim: s, name: fmt.Sprintf("n%d", i+1), ended: make(map[string]bool), ends: newSignal()}
			for _, l := range []**link{&n.toEtcd, &n.fromEtcd, &n.toStore, &n.fromStore} {
				*l = &link{slow: 20 * time.Millisecond, rand: s.random}
			}
			s.nodes = append(s.nodes, n)
		}
		for _, n := range s.nodes {
			n.boot(0)
		}
		clock, stopClock := context.WithCancel(context.Background())
		clockDone := make(chan struct{})
		go func() {
			defer close(clockDone)
			for clock.Err() == nil {
				s.etcd.expire(time.Now())
				time.Sleep(100 * time.Millisecond)
			}
		}()
		time.Sleep(5 * time.Second)
		begun := time.Now()
		for life := 1; time.Since(begun) < simLength; life++ {
			s.disturb(life)
		}
		s.heal()
		time.Sleep(time.Minute)
		s.mu.Lock()
		if left := int(simClientes) - len(s.running); left > 0 && mutant == "" {
			t.Errorf("seed %d: %d clientes do not run when all is well again", seed, left)
		}
		s.mu.Unlock()
		for _, n := range s.nodes {
			n.crash()
			<-n.done
		}
		stopClock()
		<-clockDone
	})
	return s
}

// disturb does one thing at random, for a while.
func (s *simulation) disturb(life int) {
	n := s.nodes[s.random(len(s.nodes))]
	long := time.Duration(200+s.random(12000)) * time.Millisecond
	etcdLinks, storeLinks := []*link{n.toEtcd, n.fromEtcd}, []*link{n.toStore, n.fromStore}
	other := s.nodes[s.random(len(s.nodes))]
	switch s.random(12) {
	case 10: // one that hears nothing more is taken for dead
		for _, l := range append(etcdLinks, storeLinks...) {
			l.set(true, 0)
		}
		n.setDeaf(true)
		s.etcd.accuse(n.name)
	case 11: // a successor crashes while it holds back from one that rides
		for _, l := range etcdLinks {
			l.set(true, 0)
		}
		for _, l := range storeLinks { // whose polls take their time
			l.set(false, 800*time.Millisecond)
		}
		n.setDeaf(true)
		time.Sleep(5*time.Second + time.Duration(s.random(int(2*time.Second))))
		if other != n {
			other.kill()
			time.Sleep(long)
			other.boot(life)
		}
	case 0:
		n.kill()
		time.Sleep(long)
		n.boot(life)
	case 1:
		s.etcd.accuse(n.name)
	case 2, 3:
		s.etcd.away(true, false)
		time.Sleep(long)
		s.etcd.away(false, s.random(2) == 0)
	case 4:
		etcdLinks[s.random(2)].set(true, 0)
	case 5:
		storeLinks[s.random(2)].set(true, 0)
	case 6:
		for _, l := range etcdLinks {
			l.set(true, 0)
		}
		n.setDeaf(s.random(2) == 0) // cut off from the others, too
	case 7:
		for _, l := range append(etcdLinks, storeLinks...) {
			l.set(true, 0)
		}
	case 8:
		for _, l := range append(etcdLinks, storeLinks...) {
			l.set(false, time.Duration(s.random(int(time.Second))))
		}
	case 9:
		n.setDeaf(true)
	}
	time.Sleep(long)
	if s.random(3) > 0 { // else the next one comes on top
		s.heal()
		time.Sleep(time.Duration(s.random(int(5 * time.Second))))
	}
}

func (s *simulation) heal() {
	for _, n := range s.nodes {
		for _, l := range []*link{n.toEtcd, n.fromEtcd, n.toStore, n.fromStore} {
			l.set(false, 20*time.Millisecond)
		}
		n.setDeaf(n.crashed())
	}
}

func TestSimulation(t *testing.T) {
	logins := 0
	for seed := range uint64(60) {
		s := simulate(t, seed, "")
		logins += s.logins
		for _, o := range s.overlaps {
			t.Errorf("seed %d: %s", seed, o)
		}
	}
	t.Logf("%d logins", logins)
}

// Each of these left something out when the protocol was worked out, and must be noticed here.
func TestSimulationFindsMutants(t *testing.T) {
	for _, mutant := range []string{"no hold-back", "no note", "accusations are not asked for",
		"lease believed in too long"} {
		t.Run(mutant, func(t *testing.T) {
			for seed := range uint64(1000) {
				if s := simulate(t, seed, mutant); len(s.overlaps) > 0 {
					t.Logf("seed %d: %d overlaps in %d logins", seed, len(s.overlaps), s.logins)
					return
				}
			}
			t.Error("not found in 1000 runs")
		})
	}
}
