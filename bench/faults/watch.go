package faults

import (
	"context"
	"errors"
	"sync"
	"time"

	"session-manager/bench/cluster"
	"session-manager/bench/emulator"
	"session-manager/node/ownership"
)

const followEvery = 20 * time.Millisecond

// watch follows the emulator's log: when each cliente's sockets came and went, and what its
// devices acknowledged.
type watch struct {
	stop context.CancelFunc
	done sync.WaitGroup

	mu       sync.Mutex // guards what follows
	changed  chan struct{}
	moments  map[string][]moment // by phone number, oldest first
	receipts map[string]bool     // "number id"
	shown    map[string]bool     // IDs of messages that a phone has decrypted
	judged   []emulator.Event    // what the referee counts
	seen     int64               // number of the last event
}

// moment is the begin or the end of a socket.
type moment struct {
	at    time.Time
	login bool
}

func follow(phones *emulator.Control, trouble func(error)) *watch {
	ctx, stop := context.WithCancel(context.Background())
	w := &watch{stop: stop, changed: make(chan struct{}), moments: make(map[string][]moment), receipts: make(map[string]bool), shown: make(map[string]bool)}
	w.done.Go(func() {
		tick := time.NewTicker(followEvery)
		defer tick.Stop()
		for {
			events, err := phones.Events(ctx, w.last())
			if err == nil {
				w.take(events)
			} else if !errors.Is(err, context.Canceled) {
				trouble(err)
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	return w
}

func (w *watch) close() {
	w.stop()
	w.done.Wait()
}

func (w *watch) last() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen
}

func (w *watch) take(events []emulator.Event) {
	if len(events) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range events {
		switch e.Kind {
		case emulator.KindLogin, emulator.KindLogout:
			w.moments[e.Number] = append(w.moments[e.Number], moment{e.At, e.Kind == emulator.KindLogin})
		case emulator.KindReceipt:
			if e.Detail != "retry" {
				w.receipts[e.Number+" "+e.ID] = true
			}
		case emulator.KindInbox:
			w.shown[e.ID] = true
		case emulator.KindOverlap, emulator.KindConflict, emulator.KindFork, emulator.KindUndecryptable, emulator.KindEmpty, emulator.KindStale:
			w.judged = append(w.judged, e)
		}
	}
	w.seen = events[len(events)-1].N
	close(w.changed)
	w.changed = make(chan struct{})
}

// await waits until look is true, asking at each change of the log.
func (w *watch) await(ctx context.Context, look func() bool) error {
	for {
		w.mu.Lock()
		ok, changed := look(), w.changed
		w.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		}
	}
}

// loginAfter is the first login of a cliente after a moment, once there is one.
func (w *watch) loginAfter(ctx context.Context, c ownership.Cliente, after time.Time) (at time.Time, err error) {
	err = w.await(ctx, func() bool {
		for _, m := range w.moments[cluster.NumberOf(c)] {
			if m.login && m.at.After(after) {
				at = m.at
				return true
			}
		}
		return false
	})
	return at, err
}

// gaps are the times within a span in which clientes had no socket: each from the end of one to
// the next login. A gap that has not ended by the span's end is as long as it is by then.
func (w *watch) gaps(clientes []ownership.Cliente, from, to time.Time) (gaps []time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range clientes {
		gaps = append(gaps, gapsOf(w.moments[cluster.NumberOf(c)], from, to)...)
	}
	return gaps
}

func gapsOf(moments []moment, from, to time.Time) (gaps []time.Duration) {
	open := 0
	var since time.Time
	for _, m := range moments {
		if m.at.After(to) {
			break
		}
		switch {
		case m.login:
			if open++; open == 1 && since.After(from) {
				gaps = append(gaps, m.at.Sub(since))
			}
		case open > 0:
			if open--; open == 0 {
				since = m.at
			}
		}
	}
	if open == 0 && since.After(from) {
		gaps = append(gaps, to.Sub(since))
	}
	return gaps
}

// logins counts those of all clientes within a span.
func (w *watch) logins(from, to time.Time) (at []time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, all := range w.moments {
		for _, m := range all {
			if m.login && m.at.After(from) && !m.at.After(to) {
				at = append(at, m.at)
			}
		}
	}
	return at
}
