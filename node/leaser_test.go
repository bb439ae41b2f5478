package node

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"session-manager/node/etcd"
	"session-manager/node/ownership"
)

// fakeLeases is etcd's half of a leaser.
type fakeLeases struct {
	mu      sync.Mutex // guards what follows
	next    int64
	alive   map[int64]bool
	members map[string]etcd.Member
	cut     bool // no call gets through
	grants  int
}

func newFakeLeases() *fakeLeases {
	return &fakeLeases{alive: make(map[int64]bool), members: make(map[string]etcd.Member)}
}

// call waits for ctx where etcd is cut off, as a lost packet makes a call do.
func (f *fakeLeases) call(ctx context.Context) error {
	f.mu.Lock()
	cut := f.cut
	f.mu.Unlock()
	if !cut {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func (f *fakeLeases) Grant(ctx context.Context, ttl time.Duration) (int64, time.Duration, error) {
	if err := f.call(ctx); err != nil {
		return 0, 0, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next++
	f.grants++
	f.alive[f.next] = true
	return f.next, ttl, nil
}

func (f *fakeLeases) Renew(ctx context.Context, id int64) (time.Duration, error) {
	if err := f.call(ctx); err != nil {
		return 0, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.alive[id] {
		return 0, etcd.ErrLeaseGone
	}
	return 5 * time.Second, nil
}

func (f *fakeLeases) Revoke(ctx context.Context, id int64) error {
	if err := f.call(ctx); err != nil {
		return err
	}
	f.end(id)
	return nil
}

func (f *fakeLeases) end(id int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.alive, id)
	for name, m := range f.members {
		if m.Lease == id {
			delete(f.members, name)
		}
	}
}

func (f *fakeLeases) PutMember(ctx context.Context, m etcd.Member) error {
	if err := f.call(ctx); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if stands, ok := f.members[m.Name]; ok && stands.Incarnation != m.Incarnation {
		return etcd.ErrNameTaken
	}
	f.members[m.Name] = m
	return nil
}

func (f *fakeLeases) Member(_ context.Context, name string) (etcd.Member, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m, ok := f.members[name]
	return m, ok, nil
}

func (f *fakeLeases) setCut(cut bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cut = cut
}

func (f *fakeLeases) granted() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.grants
}

// leaserTest is a leaser with a keeper, in a bubble of synthetic time.
type leaserTest struct {
	*leaser
	etcd     *fakeLeases
	store    *fakeVoucher
	keys     *fakeEtcd
	fences   *fakeFences
	sessions *fakeSessions
	exited   chan int
	settled  atomic.Pointer[settlement] // nil: as ever
	others   atomic.Pointer[[]etcd.Member]
}

// settlement is what rule 1 comes to.
type settlement struct {
	generation int64
	err        error
}

func withLeaser(t *testing.T, test func(t *testing.T, l *leaserTest)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		l := &leaserTest{etcd: newFakeLeases(), store: newFakeVoucher(), fences: &fakeFences{}, keys: &fakeEtcd{keys: make(map[ownership.Cliente]fakeKey)},
			sessions: &fakeSessions{}, exited: make(chan int, 1)}
		l.others.Store(&[]etcd.Member{{Name: "n2", State: stateReady}})
		timing := ownership.DefaultTiming()
		log := slog.New(slog.DiscardHandler)
		m := newMetrics(prometheus.NewRegistry())
		k := newKeeper(ctx, timing, ownership.Process{Node: "n1", Incarnation: "now"}, 0, l.keys, l.fences, l.sessions, newSignal(), m, log)
		l.leaser = &leaser{
			timing: timing, etcd: l.etcd, store: l.store, keeper: k,
			settle: func(context.Context) (ownership.Identity, error) {
				if s := l.settled.Load(); s != nil {
					return ownership.Identity{UUID: "u", Generation: s.generation}, s.err
				}
				return ownership.Identity{UUID: "u", Generation: 1}, nil
			},
			wasMine: func(incarnation string) bool { return incarnation == "past" },
			members: func() []etcd.Member { return *l.others.Load() },
			exit:    func(code int) { l.exited <- code },
			flaps:   ownership.NewFlaps(timing), log: log, metrics: m, reason: &reason{}, doubt: make(chan struct{}, 1),
			member: etcd.Member{Name: "n1", Incarnation: "now"},
		}
		var loops sync.WaitGroup
		loops.Go(func() { k.Run(ctx) })
		loops.Go(func() { l.Run(ctx) })
		synctest.Wait()
		test(t, l)
		for _, s := range l.sessions.started {
			s.end(nil)
		}
		l.etcd.setCut(false)
		cancel()
		loops.Wait()
		l.End()
	})
}

func (l *leaserTest) own(t *testing.T, c ownership.Cliente) *fakeSession {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, _, err := l.keeper.Session(ctx, c); err != nil {
		t.Fatal(err)
	}
	return l.sessions.started[len(l.sessions.started)-1]
}

func TestLeaseIsRenewed(t *testing.T) {
	withLeaser(t, func(t *testing.T, l *leaserTest) {
		s := l.own(t, 5)
		time.Sleep(time.Hour)
		if l.etcd.granted() != 1 || s.hold.Check(time.Now()) != nil {
			t.Errorf("%d leases in an hour, hold: %v", l.etcd.granted(), s.hold.Check(time.Now()))
		}
	})
}

// Rules 1 and 13: what a look at etcd and the store, while all is well, may find.
func TestRecheck(t *testing.T) {
	for name, c := range map[string]struct {
		found      settlement
		runs       bool
		takes      bool
		generation int64 // of the next lease; 0: there is none
	}{
		"as ever":                {settlement{1, nil}, true, true, 1},
		"a new generation":       {settlement{2, nil}, false, true, 2},
		"another database":       {settlement{0, ownership.ErrOtherDatabase}, false, false, 0},
		"a replaced primary":     {settlement{0, ownership.ErrOldStore}, false, false, 0},
		"etcd restored":          {settlement{0, ownership.ErrRestored}, true, false, 1},
		"the store is not there": {settlement{0, errGone}, true, true, 1},
	} {
		withLeaser(t, func(t *testing.T, l *leaserTest) {
			s := l.own(t, 5)
			l.settled.Store(&c.found)
			l.Recheck(context.Background())
			l.Publish(context.Background()) // as a sweep does
			time.Sleep(2 * l.timing.Renew)
			if s.runs() != c.runs || l.keeper.Takes() != c.takes {
				t.Errorf("%s: runs %v, takes %v", name, s.runs(), l.keeper.Takes())
			}
			lease := l.keeper.Lease()
			if (lease != nil) != (c.generation != 0) || lease != nil && l.keeper.Token(1).Generation != c.generation {
				t.Errorf("%s: lease %v, tokens %v", name, lease, l.keeper.Token(1))
			}
			if err := l.reason.Get(); lease == nil && !errors.Is(err, c.found.err) {
				t.Errorf("%s: not ready: %v", name, err)
			}
		})
	}
}

// Invariant A's clock: what hangs on a lease has ended before etcd can end it.
func TestCutOffNodeStopsBeforeItsLeaseEnds(t *testing.T) {
	withLeaser(t, func(t *testing.T, l *leaserTest) {
		s := l.own(t, 5)
		cutAt := time.Now()
		l.etcd.setCut(true)
		<-s.done
		if took := time.Since(cutAt); took > l.timing.TTL-l.timing.Margin || took < l.timing.TTL-l.timing.Margin-l.timing.Renew {
			t.Errorf("stopped %v after the cut", took)
		}
		if !errors.Is(context.Cause(s.hold.Context()), ownership.ErrLeaseLost) {
			t.Errorf("hold: %v", context.Cause(s.hold.Context()))
		}
		synctest.Wait()
		if l.reason.Get() == nil {
			t.Error("the node calls itself ready")
		}
		l.etcd.setCut(false)
		time.Sleep(10 * time.Second)
		if l.etcd.granted() != 2 || l.reason.Get() != nil {
			t.Errorf("%d leases, reason %v", l.etcd.granted(), l.reason.Get())
		}
	})
}

func TestLeaseEndedByEtcdStopsEverything(t *testing.T) {
	withLeaser(t, func(t *testing.T, l *leaserTest) {
		s := l.own(t, 5)
		l.etcd.end(1)
		begun := time.Now()
		<-s.done
		if took := time.Since(begun); took > l.timing.AccusedHoldBack()-l.timing.Stop {
			t.Errorf("noticed after %v", took)
		}
	})
}

// A session that does not end takes the process with it: somebody else is about to own its account.
func TestStuckSessionEndsTheProcess(t *testing.T) {
	withLeaser(t, func(t *testing.T, l *leaserTest) {
		l.sessions.stuck = true
		l.own(t, 5)
		l.etcd.setCut(true)
		begun := time.Now()
		if code := <-l.exited; code != ExitStuck {
			t.Errorf("exit %d", code)
		}
		if took := time.Since(begun); took > l.timing.TTL-l.timing.Margin+l.timing.Exit {
			t.Errorf("after %v", took)
		}
	})
}

// Rule 14: a restarted node ends the lease of its past life, and nobody else's.
func TestPastLifeIsRevoked(t *testing.T) {
	for incarnation, revoked := range map[string]bool{"past": true, "a stranger's": false} {
		withLeaser(t, func(t *testing.T, l *leaserTest) {
			l.etcd.mu.Lock()
			l.etcd.alive[99] = true
			l.etcd.members = map[string]etcd.Member{"n1": {Name: "n1", Incarnation: incarnation, Lease: 99}}
			l.etcd.mu.Unlock()
			l.etcd.end(1) // so that it asks anew
			time.Sleep(3 * time.Second)
			l.etcd.mu.Lock()
			defer l.etcd.mu.Unlock()
			if l.etcd.alive[99] == revoked {
				t.Errorf("%s: revoked %v", incarnation, !l.etcd.alive[99])
			}
			if (l.etcd.members["n1"].Incarnation == "now") != revoked {
				t.Errorf("%s: the name is %+v", incarnation, l.etcd.members["n1"])
			}
		})
	}
}

// Rule 8: after three losses in ten minutes the node takes nothing for a while, and says so.
func TestFlappingNodeRests(t *testing.T) {
	withLeaser(t, func(t *testing.T, l *leaserTest) {
		for range 3 {
			l.etcd.mu.Lock()
			last := l.etcd.next
			l.etcd.mu.Unlock()
			l.etcd.end(last)
			time.Sleep(3 * time.Second)
		}
		m, _, _ := l.etcd.Member(context.Background(), "n1")
		if m.State != stateResting {
			t.Errorf("state %q", m.State)
		}
		if _, _, err := l.keeper.Session(context.Background(), 5); !errors.Is(err, errFlapping) {
			t.Errorf("takes a cliente: %v", err)
		}
		time.Sleep(2 * l.timing.FlapUnit)
		l.Publish(context.Background())
		if m, _, _ := l.etcd.Member(context.Background(), "n1"); m.State != stateReady {
			t.Errorf("state %q after its rest", m.State)
		}
	})
}

// It rests to leave clientes to others: where nobody else takes any, it goes on.
func TestNobodyRestsWhereNobodyElseTakes(t *testing.T) {
	withLeaser(t, func(t *testing.T, l *leaserTest) {
		l.others.Store(&[]etcd.Member{{Name: "n1", State: stateReady}, {Name: "n2", State: stateResting}, {Name: "n3", State: stateDraining}})
		for range 4 {
			l.etcd.mu.Lock()
			last := l.etcd.next
			l.etcd.mu.Unlock()
			l.etcd.end(last)
			time.Sleep(3 * time.Second)
		}
		l.own(t, 5)
		// One that is ready now takes nothing away: its own rest is over.
		l.others.Store(&[]etcd.Member{{Name: "n2", State: stateReady}})
		l.Publish(context.Background())
		if m, _, _ := l.etcd.Member(context.Background(), "n1"); m.State != stateReady {
			t.Errorf("state %q", m.State)
		}
	})
}

func TestDrainingNodeTakesNothing(t *testing.T) {
	withLeaser(t, func(t *testing.T, l *leaserTest) {
		s := l.own(t, 5)
		l.Drain(context.Background())
		if m, _, _ := l.etcd.Member(context.Background(), "n1"); m.State != stateDraining {
			t.Errorf("state %q", m.State)
		}
		if _, _, err := l.keeper.Session(context.Background(), 6); !errors.Is(err, ownership.ErrDraining) {
			t.Errorf("takes a cliente: %v", err)
		}
		if err := s.hold.Check(time.Now()); err != nil {
			t.Errorf("what it has went: %v", err)
		}
	})
}
