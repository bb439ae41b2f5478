package faults

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"session-manager/bench/cluster"
)

// afterEtcd is how long etcd's return is watched: longer than its leases, and than a node that
// lost one waits.
const afterEtcd = 20 * time.Second

// etcdStopped pauses etcd: its clock goes on, so at its return the leases are gone.
func etcdStopped(ctx context.Context, w *world, r *Result) error {
	return etcdAway(ctx, w, r,
		func(e *cluster.Etcd) error { return e.Pause() },
		func(e *cluster.Etcd) error { return e.Resume() })
}

// etcdRestarted kills etcd: at its return it begins the leases anew.
func etcdRestarted(ctx context.Context, w *world, r *Result) error {
	return etcdAway(ctx, w, r,
		func(e *cluster.Etcd) error { e.Kill(); return nil },
		func(e *cluster.Etcd) error { return e.Start(ctx) })
}

func etcdAway(ctx context.Context, w *world, r *Result, stop, start func(*cluster.Etcd) error) error {
	l := w.startLoad(w.o.Rate)
	defer l.end()
	if err := sleep(ctx, warmUp); err != nil {
		return err
	}
	begun := time.Now()
	for _, e := range w.Etcd {
		if err := stop(e); err != nil {
			return err
		}
	}
	away := sleep(ctx, w.o.For)
	for _, e := range w.Etcd {
		if err := start(e); err != nil {
			return err
		}
	}
	if away != nil {
		return away
	}
	w.o.say("etcd is back after %v", time.Since(begun).Round(time.Millisecond))
	if err := sleep(ctx, afterEtcd); err != nil {
		return err
	}
	r.tell("etcd away", time.Since(begun).Seconds()-afterEtcd.Seconds(), "s")
	r.atMost("extra logins", float64(len(w.watch.logins(begun, time.Now()))), "", 0)
	r.atMost("sessions lost", float64(len(w.watch.gaps(w.clientes, begun, time.Now()))), "", 0)
	return w.finish(ctx, r, l, 0, -1, 0)
}

func postgresRestarted(ctx context.Context, w *world, r *Result) error {
	return postgresAway(ctx, w, r, w.Store.Server.Stop)
}

func postgresKilled(ctx context.Context, w *world, r *Result) error {
	return postgresAway(ctx, w, r, w.Store.Server.Kill)
}

func postgresAway(ctx context.Context, w *world, r *Result, stop func()) error {
	l := w.startLoad(w.o.Rate)
	defer l.end()
	if err := sleep(ctx, warmUp); err != nil {
		return err
	}
	begun := time.Now()
	stop()
	away := sleep(ctx, w.o.For)
	starting, cancel := context.WithTimeoutCause(ctx, returnWait, fmt.Errorf("waited %v", returnWait))
	err := w.Store.Server.Run(starting)
	cancel()
	if away != nil || err != nil {
		return firstOf(away, err)
	}
	returned := time.Now()
	w.o.say("Postgres is back after %v", returned.Sub(begun).Round(time.Millisecond))
	back, err := w.everybodySends(ctx)
	if err != nil {
		return err
	}
	r.tell("Postgres away", returned.Sub(begun).Seconds(), "s")
	r.spread("sent again after its return", back, 0, 0, 5*time.Second)
	r.tell("extra logins", float64(len(w.watch.logins(begun, time.Now()))), "")
	l.lastFailure(r, returned, 5*time.Second)
	return w.finish(ctx, r, l, -1, -1, 0)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// everybodySends has every cliente send once, and tells when each was acknowledged from now on.
func (w *world) everybodySends(ctx context.Context) (after []time.Duration, err error) {
	begun := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, returnWait, fmt.Errorf("waited %v", returnWait))
	defer cancel()
	var mu sync.Mutex // guards after
	var g errgroup.Group
	g.SetLimit(16)
	for _, c := range w.clientes {
		g.Go(func() error {
			text := fmt.Sprintf("%s-after-%d", c, begun.UnixNano())
			_, _, err := w.balancer.Client().SendUntil(ctx, c, cluster.Message{To: friendOf(c), Text: text, Key: text})
			mu.Lock()
			defer mu.Unlock()
			after = append(after, time.Since(begun))
			return err
		})
	}
	return after, g.Wait()
}

// lastFailure tells how long after a moment a caller was refused last.
func (l *load) lastFailure(r *Result, since time.Time, bar time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := time.Duration(0)
	for _, s := range l.sends {
		for _, f := range s.failed {
			last = max(last, f.at.Sub(since))
		}
	}
	r.atMost("last refusal after its return", ms(last), "ms", ms(bar))
}
