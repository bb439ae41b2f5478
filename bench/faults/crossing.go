package faults

import (
	"context"
	"slices"
	"time"

	"session-manager/bench/cluster"
	"session-manager/node/ownership"
)

// crossing is the load alone, with both sides of each conversation writing at once.
func crossing(ctx context.Context, w *world, r *Result) error {
	w.crossing = true
	l := w.startLoad(w.o.Rate)
	defer l.end()
	if err := sleep(ctx, w.o.For); err != nil {
		return err
	}
	return w.finish(ctx, r, l, 0, -1, 0)
}

// phonesForget is crossing with phones that lose their sessions again and again, also those by which they
// are told the keys of groups: what is under way in these must be asked for and sent again.
func phonesForget(ctx context.Context, w *world, r *Result) error {
	w.crossing, w.forgetful, w.groups = true, true, make(map[ownership.Cliente]string)
	for _, c := range w.clientes {
		group, err := w.Emulator.AddGroup(ctx, "of "+c.String(), []string{cluster.NumberOf(c), friendOf(c)})
		if err != nil {
			return err
		}
		w.groups[c] = group
	}
	l := w.startLoad(w.o.Rate)
	defer l.end()
	times := 0
	for end := time.Now().Add(w.o.For); time.Now().Before(end); times += inARow {
		for range inARow {
			if err := sleep(ctx, w.o.Every); err != nil {
				return err
			}
			for n := range friends {
				if err := w.Emulator.ForgetSessions(ctx, friend(n)); err != nil {
					return err
				}
			}
		}
		l.awaitShown(ctx, time.Now())
	}
	r.tell("times that each phone lost its sessions", float64(times), "")
	return w.finish(ctx, r, l, 0, -1, 0)
}

// inARow is how often phones lose their sessions before everything that was under way has been shown. A
// phone asks for a message four times; where it has lost its sessions again with each answer, it gives up.
const inARow = 2

// awaitShown waits until all sends that were begun by then are shown, or takeLimit has passed.
func (l *load) awaitShown(ctx context.Context, by time.Time) {
	ctx, cancel := context.WithTimeout(ctx, takeLimit)
	defer cancel()
	w := l.world.watch
	_ = w.await(ctx, func() bool { // what was not in time is judged at the end
		l.mu.Lock()
		defer l.mu.Unlock()
		return !slices.ContainsFunc(l.sends, func(s *send) bool { return s.begun.Before(by) && !w.shown[s.id] })
	})
}
