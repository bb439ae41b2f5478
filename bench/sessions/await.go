package sessions

import (
	"context"
	"fmt"
	"time"
)

// acquainted waits until all nodes have all others on their ring.
func (a *arena) acquainted(ctx context.Context) error {
	ctx, cancel := limited(ctx)
	defer cancel()
	for _, n := range a.Nodes() {
		for _, other := range a.Nodes() {
			if err := n.Client().WaitMember(ctx, other.Name(), true); err != nil {
				return err
			}
		}
	}
	return nil
}

// ready waits until so many sessions are READY, on all nodes together.
func (a *arena) ready(ctx context.Context, n int) error {
	return a.until(ctx, fmt.Sprintf("%d sessions READY", n), func() (bool, string, error) {
		sum := 0.0
		for _, c := range a.callers {
			v, err := c.metric(`session_manager_sessions{state="READY"}`)
			if err != nil {
				return false, "", err
			}
			sum += v
		}
		return int(sum) == n, fmt.Sprint(sum), nil
	})
}

// pollEvery is between two looks at the product's metrics, which cost it a millisecond.
const pollEvery = 20 * time.Millisecond

// waitLimit bounds each wait: 10,000 logins take a minute and a half on a busy machine.
const waitLimit = 5 * time.Minute

func limited(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, waitLimit, fmt.Errorf("waited %v", waitLimit))
}

// until polls until look says so. What it cannot see is an error at the end only.
func (a *arena) until(ctx context.Context, what string, look func() (done bool, seen string, err error)) error {
	ctx, cancel := limited(ctx)
	defer cancel()
	last := "nothing"
	for {
		done, seen, err := look()
		if done && err == nil {
			return nil
		}
		if last = seen; err != nil {
			last = err.Error()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w; last seen: %s\n%s", what, context.Cause(ctx), last, a.Tails())
		case <-time.After(pollEvery):
		}
	}
}

// quietFor is how long the emulator books nothing before everything under way has arrived.
const quietFor = 100 * time.Millisecond

// quiet waits until the emulator books nothing more.
func (a *arena) quiet(ctx context.Context) error {
	last, since := int64(-1), time.Now()
	return a.until(ctx, "the emulator to be quiet", func() (bool, string, error) {
		s, err := a.Emulator.Stats(ctx)
		if s.LastEvent != last {
			last, since = s.LastEvent, time.Now()
		}
		return time.Since(since) >= quietFor, fmt.Sprintf("event %d", last), err
	})
}
