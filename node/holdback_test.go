package node

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"session-manager/node/ownership"
	"session-manager/node/store"
)

// fakeWitness has seen an end, or not.
type fakeWitness struct {
	ended   atomic.Bool
	changed *signal
}

func (f *fakeWitness) Ended() []string {
	if f.ended.Load() {
		return []string{"of-n1"}
	}
	return nil
}
func (f *fakeWitness) Changed() <-chan struct{} { return f.changed.Wait() }

// succession is n2 about to take cliente 5 over from n1, whose session may still run.
type succession struct {
	successions
	n1      *store.Store
	witness *fakeWitness
	former  ownership.Token
}

func newSuccession(t *testing.T, accused bool) *succession {
	url := "sqlite:" + filepath.Join(t.TempDir(), "store.db")
	open := func(name string) *store.Store {
		s, err := store.Open(context.Background(), store.Config{URL: url, Log: slog.New(slog.DiscardHandler),
			Process: ownership.Process{Node: name, Incarnation: "of-" + name}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	timing := ownership.DefaultTiming()
	timing.Look, timing.Vouch, timing.Stop, timing.HoldBack = 10*time.Millisecond, 400*time.Millisecond, 100*time.Millisecond, 600*time.Millisecond
	timing.Renew, timing.RenewTimeout, timing.TTL, timing.Margin = 150*time.Millisecond, 50*time.Millisecond, 900*time.Millisecond, 100*time.Millisecond
	s := &succession{n1: open("n1"), witness: &fakeWitness{changed: newSignal()}, former: ownership.Token{Generation: 1, Revision: 10}}
	s.successions = successions{
		fenceStore: open("n2"), witness: s.witness, timing: timing, process: ownership.Process{Node: "n2", Incarnation: "of-n2"},
		accused: func(context.Context, string) (bool, error) { return accused, nil },
		mine:    func() []string { return nil },
	}
	if _, _, err := s.n1.Raise(context.Background(), 5, s.former, nil); err != nil {
		t.Fatal(err)
	}
	if ok, err := s.n1.Settle(context.Background(), 5, s.former, true, 0); !ok || err != nil {
		t.Fatal(ok, err)
	}
	return s
}

// took is the time from begun until n2 holds back no longer.
func (s *succession) took(t *testing.T, begun time.Time) time.Duration {
	t.Helper()
	if err := s.Raise(context.Background(), 5, ownership.Token{Generation: 1, Revision: 20}); err != nil {
		t.Fatal(err)
	}
	return time.Since(begun)
}

func TestNobodyIsWaitedForAfterALeaseEnded(t *testing.T) {
	s := newSuccession(t, false)
	s.timing.Vouch, s.timing.HoldBack = time.Minute, time.Minute // else they would be waited out
	if took := s.took(t, time.Now()); took > s.timing.Vouch/2 {
		t.Errorf("held back for %v", took)
	}
}

// The mutant that goes on at once had 573 overlaps in simulation.
func TestARiderIsWaitedFor(t *testing.T) {
	s := newSuccession(t, false)
	s.timing.HoldBack = time.Minute // else it would be waited out
	begun := time.Now()
	if _, err := s.n1.Poll(context.Background()); err != nil {
		t.Fatal(err)
	}
	least := s.timing.Vouch + s.timing.Stop - time.Millisecond // SQLite's clock counts them whole
	if took := s.took(t, begun); took < least || took > s.timing.HoldBack/2 {
		t.Errorf("held back for %v after a note that was not renewed", took)
	}
}

func TestARiderThatGoesOnIsWaitedForNoLongerThanHoldBack(t *testing.T) {
	s := newSuccession(t, false)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	if _, err := s.n1.Poll(ctx); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			_, _ = s.n1.Poll(ctx) // for its other clientes
		}
	}()
	took := s.took(t, time.Now())
	cancel()
	<-done
	if took < s.timing.HoldBack {
		t.Errorf("held back for %v", took)
	}
}

func TestARiderThatStoppedIsNotWaitedFor(t *testing.T) {
	for name, stop := range map[string]func(s *succession) error{
		"this session": func(s *succession) error { return s.n1.Stopped(context.Background(), 5, s.former) },
		"all of its":   func(s *succession) error { return s.n1.AllStopped(context.Background(), s.former) },
		"seen to end":  func(s *succession) error { s.witness.ended.Store(true); s.witness.changed.Raise(); return nil },
	} {
		for _, accused := range []bool{false, true} {
			s := newSuccession(t, accused)
			s.timing.Vouch, s.timing.HoldBack, s.timing.TTL = time.Minute, time.Minute, time.Minute // else they would be waited out
			if _, err := s.n1.Poll(context.Background()); err != nil {
				t.Fatal(err)
			}
			stopped, begun := make(chan error, 1), time.Now()
			time.AfterFunc(50*time.Millisecond, func() { stopped <- stop(s) })
			if took := s.took(t, begun); took < 50*time.Millisecond || took > s.timing.Vouch/2 {
				t.Errorf("%s, accused %v: held back for %v", name, accused, took)
			}
			if err := <-stopped; err != nil {
				t.Error(err)
			}
		}
	}
}

func TestAnAccusedIsWaitedFor(t *testing.T) {
	s := newSuccession(t, true)
	if took := s.took(t, time.Now()); took < s.timing.AccusedHoldBack() {
		t.Errorf("held back for %v, want %v", took, s.timing.AccusedHoldBack())
	}
	s = newSuccession(t, true)
	s.accused = func(context.Context, string) (bool, error) { return false, errGone }
	if took := s.took(t, time.Now()); took < s.timing.AccusedHoldBack() {
		t.Errorf("etcd does not say: held back for %v, want %v", took, s.timing.AccusedHoldBack())
	}
}

func TestHoldBackEnds(t *testing.T) {
	s := newSuccession(t, false)
	s.timing.HoldBack, s.timing.Vouch = time.Minute, time.Minute
	if _, err := s.n1.Poll(context.Background()); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, func() { // a third one takes over meanwhile
		_, _, _ = s.n1.Raise(context.Background(), 5, ownership.Token{Generation: 1, Revision: 30}, nil)
	})
	if err := s.Raise(context.Background(), 5, ownership.Token{Generation: 1, Revision: 20}); !errors.Is(err, ownership.ErrFenced) {
		t.Errorf("got %v", err)
	}
}
