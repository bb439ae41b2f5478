package node

import (
	"context"
	"errors"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"session-manager/node/ownership"
	"session-manager/node/store"
)

// fakeVoucher is a store that vouches, for as long as it is in reach.
type fakeVoucher struct {
	mu         sync.Mutex // guards what follows
	cut        bool
	generation int64
	moved      bool
	standing   map[ownership.Cliente]bool
	polls      int
	noted      bool
	stopped    ownership.Token
}

// newFakeVoucher is cut off: a leaser has etcd alone, as most of its tests want it.
func newFakeVoucher() *fakeVoucher {
	return &fakeVoucher{cut: true, generation: 1, standing: map[ownership.Cliente]bool{5: true, 6: true}}
}

func (f *fakeVoucher) Poll(ctx context.Context) (store.Standing, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.polls++
	if f.cut {
		f.mu.Unlock()
		<-ctx.Done()
		f.mu.Lock()
		return store.Standing{}, ctx.Err()
	}
	f.noted = true
	return store.Standing{Generation: f.generation, Clientes: maps.Clone(f.standing), Moved: f.moved}, nil
}

func (f *fakeVoucher) EndNote(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.noted = false
	return nil
}

func (f *fakeVoucher) AllStopped(_ context.Context, t ownership.Token) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopped = t
	return nil
}

func (f *fakeVoucher) with(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (s *fakeSession) runs() bool {
	select {
	case <-s.done:
		return false
	default:
		return s.hold.Check(time.Now()) == nil
	}
}

// withRider is a node with clientes 5 and 6 whose store is in reach.
func withRider(t *testing.T, test func(t *testing.T, l *leaserTest, five, six *fakeSession)) {
	withLeaser(t, func(t *testing.T, l *leaserTest) {
		l.store.with(func() { l.store.cut = false })
		five, six := l.own(t, 5), l.own(t, 6)
		time.Sleep(time.Minute)
		l.store.with(func() {
			if l.store.polls > 0 {
				t.Errorf("%d polls while etcd vouches", l.store.polls)
			}
		})
		test(t, l, five, six)
	})
}

// An etcd that is away costs no session, and none if it comes back with the lease.
func TestOutageIsRiddenOut(t *testing.T) {
	withRider(t, func(t *testing.T, l *leaserTest, five, _ *fakeSession) {
		l.etcd.setCut(true)
		time.Sleep(10 * time.Minute)
		if !five.runs() || !l.keeper.Riding() || l.reason.Get() != nil {
			t.Fatalf("runs %v, rides %v, not ready: %v", five.runs(), l.keeper.Riding(), l.reason.Get())
		}
		l.etcd.setCut(false)
		time.Sleep(5 * time.Second)
		if !five.runs() || l.keeper.Riding() || l.etcd.granted() != 1 {
			t.Errorf("runs %v, rides %v, %d leases", five.runs(), l.keeper.Riding(), l.etcd.granted())
		}
		l.store.with(func() {
			if l.store.noted {
				t.Error("the note stands")
			}
		})
	})
}

// It comes back without the lease: the sessions stay, under new keys and greater tokens.
func TestSessionsMoveToTheNextLease(t *testing.T) {
	withRider(t, func(t *testing.T, l *leaserTest, five, six *fakeSession) {
		before := five.hold.Token()
		l.etcd.setCut(true)
		time.Sleep(time.Minute)
		l.etcd.end(1)
		l.keys.mu.Lock()
		clear(l.keys.keys)
		l.keys.mu.Unlock()
		l.etcd.setCut(false)
		l.keeper.KeyGone(5, before.Revision) // as the watch says
		time.Sleep(10 * time.Second)
		if !five.runs() || !six.runs() || len(l.sessions.started) != 2 {
			t.Fatalf("runs: %v and %v, %d sessions were started", five.runs(), six.runs(), len(l.sessions.started))
		}
		if l.keeper.Riding() || l.etcd.granted() != 2 || !l.keys.stands(5) || !l.keys.stands(6) {
			t.Errorf("rides %v, %d leases, keys %v", l.keeper.Riding(), l.etcd.granted(), l.keys.keys)
		}
		token, owned := l.keeper.Owned(5)
		if !owned || !before.Less(token) || five.hold.Token() != token || l.fences.tokens[5] != token {
			t.Errorf("token %v, of the hold %v, of the fence %v, before %v", token, five.hold.Token(), l.fences.tokens[5], before)
		}
		l.etcd.end(2) // and the next one counts as any other
		l.store.with(func() { l.store.cut = true })
		time.Sleep(5 * time.Second)
		if five.runs() {
			t.Error("runs without anybody's word")
		}
	})
}

// etcd ends the lease of a node that lives, as after a wrong accusation. Those that nobody has
// taken meanwhile stay.
func TestLeaseEndedTooEarly(t *testing.T) {
	withRider(t, func(t *testing.T, l *leaserTest, five, six *fakeSession) {
		l.store.with(func() { delete(l.store.standing, 5) })
		l.etcd.end(1)
		l.keys.mu.Lock()
		clear(l.keys.keys)
		l.keys.mu.Unlock()
		time.Sleep(l.timing.AccusedHoldBack() - l.timing.Stop)
		if five.runs() || !six.runs() {
			t.Errorf("runs: %v and %v", five.runs(), six.runs())
		}
		time.Sleep(time.Minute)
		if !six.runs() || !l.keys.stands(6) || l.keeper.Riding() || len(l.sessions.started) != 2 {
			t.Errorf("runs %v, rides %v, keys %v", six.runs(), l.keeper.Riding(), l.keys.keys)
		}
	})
}

// A swap that fails for a while is tried on; one that is fenced ends that session alone.
func TestSwapThatFails(t *testing.T) {
	withRider(t, func(t *testing.T, l *leaserTest, five, six *fakeSession) {
		l.etcd.setCut(true)
		time.Sleep(10 * time.Second)
		l.etcd.end(1)
		l.fences.mu.Lock()
		l.fences.swapErr = errGone
		l.fences.mu.Unlock()
		l.keys.mu.Lock()
		l.keys.keys = map[ownership.Cliente]fakeKey{6: {lease: 99, revision: 98}} // another node was faster
		l.keys.mu.Unlock()
		l.etcd.setCut(false)
		time.Sleep(5 * time.Second)
		if !five.runs() || six.runs() {
			t.Fatalf("runs: %v and %v", five.runs(), six.runs())
		}
		if l.fences.stopped[6] != six.hold.Token() {
			t.Errorf("whoever took 6 was told of %v", l.fences.stopped[6])
		}
		l.fences.mu.Lock()
		l.fences.swapErr = ownership.ErrFenced
		l.fences.mu.Unlock()
		time.Sleep(5 * time.Second)
		if five.runs() || l.keys.stands(5) {
			t.Errorf("runs %v, key %v", five.runs(), l.keys.stands(5))
		}
	})
}

// Neither etcd nor the store: everything stops by itself, before anybody can take over.
func TestRiderStopsWithoutTheStore(t *testing.T) {
	withRider(t, func(t *testing.T, l *leaserTest, five, six *fakeSession) {
		l.etcd.setCut(true)
		time.Sleep(time.Minute)
		cutAt := time.Now()
		l.store.with(func() { l.store.cut = true })
		<-five.done
		<-six.done
		if took := time.Since(cutAt); took > l.timing.Vouch || took < l.timing.Vouch-2*l.timing.Poll {
			t.Errorf("stopped %v after the store's last word", took)
		}
		synctest.Wait()
		if l.reason.Get() == nil {
			t.Error("the node calls itself ready")
		}
		l.store.with(func() {
			if l.store.stopped != six.hold.Token() {
				t.Errorf("the store knows %v as stopped, the last was %v", l.store.stopped, six.hold.Token())
			}
		})
	})
}

func TestRaisedFenceEndsOneSession(t *testing.T) {
	withRider(t, func(t *testing.T, l *leaserTest, five, six *fakeSession) {
		l.etcd.setCut(true)
		time.Sleep(time.Minute)
		raisedAt := time.Now()
		l.store.with(func() { delete(l.store.standing, 5) })
		<-five.done
		if took := time.Since(raisedAt); took > l.timing.Poll {
			t.Errorf("noticed after %v", took)
		}
		if !errors.Is(context.Cause(five.hold.Context()), ownership.ErrFenced) {
			t.Errorf("hold: %v", context.Cause(five.hold.Context()))
		}
		synctest.Wait()
		if !six.runs() || l.fences.stopped[5] != five.hold.Token() {
			t.Errorf("6 runs: %v; stopped: %v", six.runs(), l.fences.stopped)
		}
	})
}

func TestHigherGenerationOrFailoverEndsAll(t *testing.T) {
	for name, change := range map[string]func(f *fakeVoucher){
		"generation": func(f *fakeVoucher) { f.generation = 2 },
		"failover":   func(f *fakeVoucher) { f.moved = true },
	} {
		withRider(t, func(t *testing.T, l *leaserTest, five, six *fakeSession) {
			l.etcd.setCut(true)
			time.Sleep(time.Minute)
			l.store.with(func() { change(l.store) })
			time.Sleep(l.timing.Poll + l.timing.Stop)
			if five.runs() || six.runs() {
				t.Errorf("%s: runs: %v and %v", name, five.runs(), six.runs())
			}
		})
	}
}
