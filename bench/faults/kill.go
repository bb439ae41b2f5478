package faults

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"session-manager/node/ownership"
)

func kill(ctx context.Context, w *world, r *Result) error {
	l := w.startLoad(w.o.Rate)
	defer l.end()
	if err := sleep(ctx, warmUp); err != nil {
		return err
	}
	victim, its, err := w.busiest(ctx)
	if err != nil {
		return err
	}
	survivors := w.Cluster.Client(victim)
	killed := time.Now()
	victim.Kill()
	w.o.say("%s with %d clientes is dead after %v", victim.Name(), len(its), time.Since(killed).Round(time.Millisecond))

	// READY is what a caller is told; it is asked once the emulator has seen the login, so that
	// the questions themselves hurry nobody.
	waiting, cancel := context.WithTimeoutCause(ctx, returnWait, fmt.Errorf("waited %v", returnWait))
	defer cancel()
	var mu sync.Mutex // guards logins and gaps
	var logins, gaps []time.Duration
	var g errgroup.Group
	for _, c := range its {
		g.Go(func() error {
			at, err := w.watch.loginAfter(waiting, c, killed)
			if err != nil {
				return fmt.Errorf("cliente %s has not logged in: %w", c, err)
			}
			_, err = survivors.WaitBack(waiting, c, victim.Name())
			mu.Lock()
			defer mu.Unlock()
			logins, gaps = append(logins, at.Sub(killed)), append(gaps, time.Since(killed))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	r.spread("login elsewhere", logins, 0, 0, 0)
	r.spread("READY elsewhere", gaps, 1500*time.Millisecond, 3*time.Second, 0)
	others := w.watch.gaps(without(w.clientes, its), killed, time.Now())
	r.atMost("gaps of other nodes' clientes", float64(len(others)), "", 0)
	return w.finish(ctx, r, l, -1, -1, 0)
}

// without is what is in all and not in some.
func without(all, some []ownership.Cliente) (rest []ownership.Cliente) {
	in := make(map[ownership.Cliente]bool)
	for _, c := range some {
		in[c] = true
	}
	for _, c := range all {
		if !in[c] {
			rest = append(rest, c)
		}
	}
	return rest
}
