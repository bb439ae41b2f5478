package node

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"session-manager/node/ownership"
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
		delete(s.running, simUnpaired) // which comes and goes
		if left := int(simClientes) - 1 - len(s.running); left > 0 && mutant == "" {
			t.Errorf("seed %d: %d clientes do not run when all is well again", seed, left)
		}
		s.mu.Unlock()
		for _, n := range s.nodes {
			n.crash()
			<-n.done
		}
		s.store.underWay.Wait()
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
	switch s.random(13) {
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
	case 12: // a process crashes on the way to its next lease, with calls under way
		for _, l := range etcdLinks {
			l.set(false, 2*time.Second)
		}
		s.etcd.accuse(n.name)
		time.Sleep(time.Duration(s.random(int(4 * time.Second))))
		n.kill()
		time.Sleep(long)
		n.boot(life)
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
		for _, o := range append(s.overlaps, s.store.stale...) {
			t.Errorf("seed %d: %s", seed, o)
		}
	}
	t.Logf("%d logins", logins)
}

// Each of these left something out when the protocol was worked out, and must be noticed here.
func TestSimulationFindsMutants(t *testing.T) {
	for _, mutant := range []string{"no hold-back", "no note", "accusations are not asked for",
		"lease believed in too long", "fence goes with the rows"} {
		t.Run(mutant, func(t *testing.T) {
			for seed := range uint64(1000) {
				if s := simulate(t, seed, mutant); len(s.overlaps)+len(s.store.stale) > 0 {
					t.Logf("seed %d: %d overlaps and %d stale raises in %d logins", seed, len(s.overlaps), len(s.store.stale), s.logins)
					return
				}
			}
			t.Error("not found in 1000 runs")
		})
	}
}
