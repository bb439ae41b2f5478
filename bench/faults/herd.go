package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"session-manager/bench/cluster"
	"session-manager/node/ownership"
)

const (
	asked    = 20 // clientes that somebody asks for while the rest queue
	askEvery = 200 * time.Millisecond
)

// herd has all nodes come back at once, each with a third of the sessions to restore, and callers
// ask for some that still queue.
func herd(ctx context.Context, w *world, r *Result) error {
	var g errgroup.Group
	for _, n := range w.Nodes() {
		n.Kill()
	}
	begun := time.Now()
	for _, n := range w.Nodes() {
		g.Go(func() error { return n.Start(ctx) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	serving := time.Now()
	r.tell("nodes ready after", ms(serving.Sub(begun)), "ms")

	waiting, cancel := context.WithTimeoutCause(ctx, 5*time.Minute, errors.New("waited 5m"))
	defer cancel()
	client := w.Cluster.Client()
	var mu sync.Mutex // guards waits
	var waits []time.Duration
	chosen := make(map[ownership.Cliente]bool)
	for range asked {
		// The last of those that have not logged in: nothing but the request can bring it forward.
		c, ok := w.queued(begun, chosen)
		if !ok {
			break
		}
		chosen[c] = true
		g.Go(func() error {
			at := time.Now()
			_, err := client.WaitReady(waiting, c)
			mu.Lock()
			defer mu.Unlock()
			waits = append(waits, time.Since(at))
			return err
		})
		if err := sleep(ctx, askEvery); err != nil {
			return err
		}
	}
	err := g.Wait()
	if err != nil {
		return err
	}
	r.spread("requested, READY", waits, 0, 0, 2*time.Second)
	for _, c := range w.clientes {
		if _, err := w.watch.loginAfter(waiting, c, begun); err != nil {
			return fmt.Errorf("cliente %s has not logged in: %w", c, err)
		}
	}
	logins := w.watch.logins(begun, time.Now())
	slices.SortFunc(logins, time.Time.Compare)
	r.tell("logins", float64(len(logins)), "")
	r.tell("all logged in after", ms(logins[len(logins)-1].Sub(begun)), "ms")
	// An idle node lets a second's worth through at once, and then its rate.
	for _, span := range []int{1, 5} {
		r.atMost(fmt.Sprintf("most logins in %d s", span), float64(densest(logins, time.Duration(span)*time.Second)), "", float64(nodes*w.o.Start*(span+1)))
	}
	for _, n := range w.Nodes() {
		rss, err := resident(n.PID())
		if err != nil {
			return err
		}
		r.tell(n.Name()+" resident", rss, "MB")
	}
	return w.finish(ctx, r, w.startLoad(w.o.Rate), 0, -1, 0)
}

// queued is a cliente that has not logged in since then, other than those before.
func (w *world) queued(since time.Time, before map[ownership.Cliente]bool) (ownership.Cliente, bool) {
	w.watch.mu.Lock()
	defer w.watch.mu.Unlock()
	for _, c := range slices.Backward(w.clientes) {
		moments := w.watch.moments[cluster.NumberOf(c)]
		in := slices.ContainsFunc(moments, func(m moment) bool { return m.login && m.at.After(since) })
		if !in && !before[c] {
			return c, true
		}
	}
	return 0, false
}

// densest is how many moments, sorted, lie within one span of that length at most.
func densest(at []time.Time, span time.Duration) (most int) {
	first := 0
	for last := range at {
		for at[last].Sub(at[first]) > span {
			first++
		}
		most = max(most, last-first+1)
	}
	return most
}

// resident is how much memory a process has, in MB.
func resident(pid int) (float64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	var size, pages float64
	if _, err := fmt.Sscan(string(raw), &size, &pages); err != nil {
		return 0, err
	}
	return pages * float64(os.Getpagesize()) / 1e6, nil
}
