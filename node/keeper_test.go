package node

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"session-manager/node/ownership"
	"session-manager/node/session"
)

func TestSessionIsStartedOnceForMany(t *testing.T) {
	k := newKeeperTest(t)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			_, token, err := k.Session(k.ctx, 5)
			if want := (ownership.Token{Generation: 1, Revision: 101}); err != nil || token != want {
				t.Errorf("got token %v, err %v, want %v", token, err, want)
			}
		})
	}
	all.Wait()
	if n := k.sessions.count(); n != 1 {
		t.Errorf("%d sessions were started", n)
	}
}

func TestTakenByAnother(t *testing.T) {
	k := newKeeperTest(t)
	k.etcd.keys[5] = fakeKey{lease: 99, revision: 50}
	if _, _, err := k.Session(k.ctx, 5); !errors.Is(err, ownership.ErrNotOwner) {
		t.Errorf("got %v", err)
	}
	if k.Kept(5) || k.sessions.count() != 0 {
		t.Error("something is kept of a cliente that is another's")
	}
}

func TestLostRepliesAreReadBack(t *testing.T) {
	k := newKeeperTest(t)
	k.etcd.loseReply = 1
	if _, _, err := k.Session(k.ctx, 5); err != nil {
		t.Fatal(err)
	}
	k.etcd.mu.Lock()
	k.etcd.loseReply = 2
	k.etcd.mu.Unlock()
	wait(t, "release", k.Release(5, ownership.ErrReleased))
	if k.etcd.stands(5) {
		t.Error("the key stands after a release")
	}
}

func TestFenceNotRaised(t *testing.T) {
	k := newKeeperTest(t)
	k.fences.err = ownership.ErrFenced
	if _, _, err := k.Session(k.ctx, 5); !errors.Is(err, ownership.ErrFenced) {
		t.Errorf("got %v", err)
	}
	if k.etcd.stands(5) || k.sessions.count() != 0 {
		t.Error("a session or a key without a fence")
	}
}

func TestReleaseEndsTheSessionBeforeTheKey(t *testing.T) {
	k := newKeeperTest(t)
	k.sessions.stuck = true
	if _, _, err := k.Session(k.ctx, 5); err != nil {
		t.Fatal(err)
	}
	gone := k.Release(5, ownership.ErrDraining)
	if _, owned := k.Owned(5); owned {
		t.Error("serves while it is given up")
	}
	if !k.etcd.stands(5) {
		t.Fatal("the key went before the session")
	}
	k.sessions.started[0].end(nil)
	wait(t, "release", gone)
	if k.etcd.stands(5) {
		t.Error("the key stands after a release")
	}
}

func TestRequestDuringReleaseStartsAnew(t *testing.T) {
	k := newKeeperTest(t)
	if _, _, err := k.Session(k.ctx, 5); err != nil {
		t.Fatal(err)
	}
	k.sessions.mu.Lock()
	k.sessions.started[0].end(session.ErrPairingExpired)
	k.sessions.mu.Unlock()
	_, token, err := k.Session(k.ctx, 5)
	for err == nil && token.Revision == 101 { // until the end has been noticed
		_, token, err = k.Session(k.ctx, 5)
	}
	if err != nil || token.Revision != 102 {
		t.Errorf("got token %v, err %v", token, err)
	}
}

func TestLeaseLostEndsHoldsAtOnce(t *testing.T) {
	k := newKeeperTest(t)
	k.sessions.stuck = true
	if _, _, err := k.Session(k.ctx, 5); err != nil {
		t.Fatal(err)
	}
	s := k.sessions.started[0]
	sessions := k.LeaseLost(k.lease)
	if !errors.Is(context.Cause(s.hold.Context()), ownership.ErrLeaseLost) {
		t.Errorf("hold: %v", context.Cause(s.hold.Context()))
	}
	if len(sessions) != 1 {
		t.Fatalf("%d sessions to wait for", len(sessions))
	}
	select {
	case <-sessions[0]:
		t.Fatal("reported as ended while it runs")
	default:
	}
	s.end(nil)
	wait(t, "the session's end", sessions[0])
	if !k.etcd.stands(5) {
		t.Error("a key on a lost lease was deleted: it goes with its lease")
	}
}

func TestNothingIsTakenWithoutALease(t *testing.T) {
	k := newKeeperTest(t)
	k.LeaseLost(k.lease)
	k.Refuse(errNoLease)
	if _, _, err := k.Session(k.ctx, 5); !errors.Is(err, errNoLease) {
		t.Errorf("got %v", err)
	}
	k.grant(8)
	if _, _, err := k.Session(k.ctx, 5); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestKeyGoneStopsTheSession(t *testing.T) {
	k := newKeeperTest(t)
	_, token, err := k.Session(k.ctx, 5)
	if err != nil {
		t.Fatal(err)
	}
	k.KeyGone(5, token.Revision-1) // an older life of the key
	if _, owned := k.Owned(5); !owned {
		t.Fatal("stopped for another revision's sake")
	}
	k.KeyGone(5, token.Revision)
	wait(t, "the session's end", k.sessions.started[0].done)
	if err := k.sessions.started[0].hold.Check(time.Now()); !errors.Is(err, ownership.ErrNotOwner) {
		t.Errorf("hold: %v", err)
	}
}

func TestStrayIsDeleted(t *testing.T) {
	k := newKeeperTest(t)
	k.etcd.keys[5] = fakeKey{lease: 7, revision: 42}
	k.Stray(5, k.lease, 42)
	for k.Kept(5) {
		changed := k.changed.Wait()
		if k.Kept(5) {
			wait(t, "stray", changed)
		}
	}
	if k.etcd.stands(5) || k.sessions.count() != 0 {
		t.Error("a stray key stands, or got a session")
	}
}

func TestDrainIdleFirst(t *testing.T) {
	k := newKeeperTest(t)
	for _, c := range []ownership.Cliente{1, 2, 3} {
		if _, _, err := k.Session(k.ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := k.Session(k.ctx, 1); err != nil { // 1 is the most recently used now
		t.Fatal(err)
	}
	if order := k.byUse(); order[0] != 2 || order[1] != 3 || order[2] != 1 {
		t.Errorf("order %v", order)
	}
	k.Refuse(ownership.ErrDraining)
	if left := k.Drain(k.ctx, 0); left != 0 {
		t.Errorf("%d left", left)
	}
	if _, _, err := k.Session(k.ctx, 1); !errors.Is(err, ownership.ErrDraining) {
		t.Errorf("got %v", err)
	}
}

// When a process ends, its calls fail at once. Those whose outcomes are unknown are made again at
// their pace, and no faster: what ends them may be a while away.
func TestRetriesAfterTheEndKeepTheirPace(t *testing.T) {
	k := newKeeperTest(t)
	const calls = 20
	k.etcd.stuck = make(chan struct{}, calls)
	k.etcd.setCut(true)
	k.Restore(5)
	wait(t, "the first call", k.etcd.stuck)
	begun := time.Now()
	k.end()
	for range calls - 1 {
		wait(t, "the next call", k.etcd.stuck)
	}
	if took, least := time.Since(begun), (calls-2)*k.timing.Retry; took < least { // the first two wait for nothing
		t.Errorf("%d calls in %v, want %v at least", calls, took, least)
	}
}
