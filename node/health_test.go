package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"session-manager/node/ownership"
	"session-manager/node/store"
)

// fakeRoom is a store that takes writes, refuses them, or does not answer.
type fakeRoom struct {
	mu    sync.Mutex // guards what follows
	err   error
	hangs bool
}

func (f *fakeRoom) set(err error, hangs bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err, f.hangs = err, hangs
}

func (f *fakeRoom) Room(ctx context.Context) error {
	f.mu.Lock()
	err, hangs := f.err, f.hangs
	f.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

// TestFaultF6: /readyz says what every send would, while the store takes no writes: it is read-only, full, or
// waits for a standby that has gone. It says so once, and no more once writes work; one failure is none.
func TestFaultF6(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		hangs bool
		says  error
		log   string
	}{
		"read-only":    {fmt.Errorf("%w: SQLSTATE 25006", store.ErrUnavailable), false, errNoWrites, "25006"},
		"full":         {fmt.Errorf("%w: database or disk is full", store.ErrUnavailable), false, errNoWrites, "full"},
		"standby gone": {nil, true, errNoWrites, "synchronous_standby_names"},
		"login":        {fmt.Errorf("%w: %w", store.ErrUnavailable, store.ErrLogin), false, errStoreLogin, "login"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var lines lockedText
			room := &fakeRoom{}
			h := &health{store: room, log: textLog(&lines)}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); h.Run(ctx) }()
			time.Sleep(healthEvery + time.Second)
			if err := h.Ready(); err != nil {
				t.Errorf("%s: at first: %v", name, err)
			}
			room.set(c.err, c.hangs)
			time.Sleep(healthEvery - time.Second/2)
			room.set(nil, false)
			time.Sleep(healthTimeout + 2*healthAgain)
			if err := h.Ready(); err != nil || lines.String() != "" {
				t.Errorf("%s: after one failure: %v", name, err)
			}
			room.set(c.err, c.hangs)
			time.Sleep(healthEvery + 2*(healthTimeout+healthAgain) + 20*time.Second)
			if err := h.Ready(); err != c.says {
				t.Errorf("%s: %v", name, err)
			}
			if text := lines.String(); strings.Count(text, "level=ERROR") != 1 || !strings.Contains(text, c.log) {
				t.Errorf("%s: log: %s", name, text)
			}
			room.set(nil, false)
			time.Sleep(healthTimeout + 2*healthAgain)
			if err := h.Ready(); err != nil || !strings.Contains(lines.String(), "takes writes again") {
				t.Errorf("%s: in the end: %v", name, err)
			}
			cancel()
			<-done
		})
	}
}

// TestFaultF6Wiped: a node whose etcd was wiped is not ready, as README says; one whose etcd was restored from
// an old copy is, and says that it takes nothing.
func TestFaultF6Wiped(t *testing.T) {
	for cause, ready := range map[error]bool{ownership.ErrWiped: false, ownership.ErrOtherStore: false, ownership.ErrRestored: true} {
		withLeaser(t, func(t *testing.T, l *leaserTest) {
			p := &parts{keeper: l.keeper, leaser: l.leaser, health: &health{}, reason: l.reason, o: Options{}}
			f := &front{reason: l.reason}
			f.parts.Store(p)
			if err := f.Ready(); err != nil || f.Note() != "" {
				t.Fatalf("before: %v, %q", err, f.Note())
			}
			l.settled.Store(&settlement{err: fmt.Errorf("%w (etcd: ...)", cause)})
			l.leaser.Recheck(t.Context())
			if err := f.Ready(); (err == nil) != ready || err != nil && !errors.Is(err, cause) {
				t.Errorf("%v: ready: %v", cause, err)
			}
			if ready && !strings.Contains(f.Note(), "new-generation") {
				t.Errorf("%v: note: %q", cause, f.Note())
			}
			if !strings.Contains(strings.Join(p.troubles(), " "), cause.Error()) {
				t.Errorf("%v: troubles: %q", cause, p.troubles())
			}
		})
	}
}
