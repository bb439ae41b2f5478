package node

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"session-manager/node/ownership"
	"session-manager/node/session"
)

// TestFaultB6Bound: a node keeps so many clientes that are not paired and no more, whatever comes at once. One
// that is paired has a place always, and one that was paired meanwhile takes none.
func TestFaultB6Bound(t *testing.T) {
	k := newKeeperTest(t)
	k.unpaired.most = 3
	paired := map[ownership.Cliente]bool{100: true}
	var away error
	k.unpaired.paired = func(_ context.Context, c ownership.Cliente) (bool, error) { return paired[c], away }
	for c := ownership.Cliente(1); c <= 3; c++ {
		if _, _, err := k.Session(k.ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	for c := ownership.Cliente(4); c < 50; c++ {
		if _, _, err := k.Session(k.ctx, c); !errors.Is(err, errCrowded) {
			t.Fatalf("cliente %s: %v", c, err)
		}
	}
	if _, _, err := k.Session(k.ctx, 2); err != nil {
		t.Errorf("one that is here: %v", err)
	}
	if _, _, err := k.Session(k.ctx, 100); err != nil {
		t.Errorf("a paired one: %v", err)
	}
	k.Restore(101) // the store said so
	if away = errors.New("store is away"); true {
		if _, _, err := k.Session(k.ctx, 5); !errors.Is(err, away) {
			t.Errorf("not known: %v", err)
		}
	}
	away = nil
	k.sessions.at(0).paired.Store(true)
	if _, _, err := k.Session(k.ctx, 6); err != nil {
		t.Errorf("after one was paired: %v", err)
	}
	if _, _, err := k.Session(k.ctx, 7); !errors.Is(err, errCrowded) {
		t.Errorf("the next: %v", err)
	}
	wait(t, "the end of one", k.Release(6, ownership.ErrReleased))
	if _, _, err := k.Session(k.ctx, 7); err != nil {
		t.Errorf("after one has ended: %v", err)
	}
}

// TestFaultB6Unasked: a cliente that is not paired and that nobody asks for ends, and what is stored of it;
// one that is asked for, or paired, stays. One that was unlinked is given its time from then on.
func TestFaultB6Unasked(t *testing.T) {
	k := newKeeperTest(t)
	begun := time.Now()
	for c := ownership.Cliente(1); c <= 3; c++ {
		if _, _, err := k.Session(k.ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	k.sessions.at(1).paired.Store(true)
	look := func(after time.Duration) { k.EndUnasked(begun.Add(after)) }
	asked := func(c ownership.Cliente, after time.Duration) {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.entries[c].used = begun.Add(after)
	}
	look(time.Second)
	asked(3, unaskedFor)
	asked(1, 0)
	k.mu.Lock()
	gone := k.entries[1].gone
	k.entries[1].used = begun.Add(-time.Hour) // by the clock that forsake asks
	k.mu.Unlock()
	look(unaskedFor + 2*time.Second)
	wait(t, "the end of the one that nobody asks for", gone)
	k.sessions.at(1).paired.Store(false)
	asked(2, 0)
	asked(3, time.Hour)
	look(time.Hour)
	if !k.Kept(2) || !k.Kept(3) {
		t.Error("one that was unlinked a moment ago, or is asked for, was ended")
	}
	k.eventually(t, func() bool {
		k.fences.mu.Lock()
		defer k.fences.mu.Unlock()
		return slices.Equal(k.fences.forsaken, []ownership.Cliente{1})
	})
	// Whose codes have run out while somebody asks keeps its row, and comes again.
	k.sessions.at(2).end(session.ErrPairingExpired)
	if _, _, err := k.Session(k.ctx, 3); err != nil {
		t.Error(err)
	}
	if k.fences.mu.Lock(); len(k.fences.forsaken) != 1 {
		t.Errorf("forsaken: %v", k.fences.forsaken)
	}
	k.fences.mu.Unlock()
	// Whose codes have run out while nobody looks any more goes at once: they run out before unaskedFor.
	asked(2, -2*askedLately)
	k.sessions.at(1).end(session.ErrPairingExpired)
	k.eventually(t, func() bool {
		k.fences.mu.Lock()
		defer k.fences.mu.Unlock()
		return slices.Equal(k.fences.forsaken, []ownership.Cliente{1, 2})
	})
}

// eventually waits until ok.
func (k *keeperTest) eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}

func (f *fakeSessions) at(i int) *fakeSession {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.started[i]
}
