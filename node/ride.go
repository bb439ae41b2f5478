package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"session-manager/node/ownership"
	"session-manager/node/store"
)

// voucher is the store, which vouches for running sessions where etcd does not (rule 5).
type voucher interface {
	Poll(ctx context.Context) (store.Standing, error)
	EndNote(ctx context.Context) error
	AllStopped(ctx context.Context, token ownership.Token) error
}

var errStoreMoved = errors.New("it has failed over, or is another database: all sessions stop")

// ride polls the store while etcd's word for the lease is about to end or has ended, until
// the lease has passed or nothing hangs on it any more and there is another. Polls overlap: one
// that hangs must not keep the next from vouching.
func (l *leaser) ride(ctx context.Context, lease *ownership.Lease, generation int64) {
	var polls sync.WaitGroup
	defer polls.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	slots := make(chan struct{}, int(l.timing.PollTimeout/l.timing.Poll)) // the store's reserved connections
	tick := time.NewTicker(l.timing.Poll)
	defer tick.Stop()
	noted, told := false, false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		switch {
		case lease.Passed(now):
			return
		case lease.Lapsed() && l.held.Load() != lease && l.keeper.Hangs(lease) == 0:
			l.endNote(ctx)
			return
		case !lease.Lapsed() && lease.RenewBy().Sub(now) >= l.timing.NoteLead:
			if noted {
				l.endNote(ctx)
			}
			if told {
				l.log.Info("etcd vouches for this node again", "lease", lease.ID())
			}
			noted, told = false, false
			continue
		case lease.Riding(now) && !told:
			l.log.Error("etcd does not vouch for this node: its sessions ride on the store's word, and nothing can be taken over here", "lease", lease.ID())
			told = true
		}
		select {
		case slots <- struct{}{}:
			noted = true
			polls.Go(func() {
				defer func() { <-slots }()
				l.poll(ctx, lease, generation)
			})
		default:
			l.metrics.polls.WithLabelValues("skipped").Inc()
		}
	}
}

// poll asks the store once. Sessions whose fences were raised end before the others may rely
// on the answer.
func (l *leaser) poll(ctx context.Context, lease *ownership.Lease, generation int64) {
	ctx, cancel := context.WithTimeout(ctx, l.timing.PollTimeout)
	defer cancel()
	claims := l.keeper.Claims(lease) // of now: one that comes later may not be in the answer
	sent := time.Now()
	standing, err := l.store.Poll(ctx)
	if err == nil && standing.Generation > generation {
		err = fmt.Errorf("the cluster is in generation %d, this node's lease of %d", standing.Generation, generation)
		lease.End()
	}
	if err == nil && standing.Moved {
		err = errStoreMoved
		lease.End()
	}
	if err != nil {
		l.metrics.polls.WithLabelValues("failed").Inc()
		if ctx.Err() == nil || lease.Riding(time.Now()) {
			l.log.Warn("the store did not vouch for this node", "left", time.Until(lease.Deadline()).Round(time.Millisecond).String(), "err", err)
		}
		return
	}
	if raised := l.keeper.Vouched(claims, standing.Clientes); raised > 0 {
		l.log.Warn("other nodes took clientes over while the store vouched for this one", "clientes", raised)
	}
	lease.Vouched(sent, time.Now(), l.timing.Vouch)
	l.metrics.polls.WithLabelValues("ok").Inc()
}

// lastWord asks the store about a lease that etcd has ended before its time: etcd was wiped,
// or somebody thinks that this process is dead. Our own deadline still stands, and whoever has
// taken a cliente over meanwhile has raised its fence, or will find the note.
func (l *leaser) lastWord(ctx context.Context, lease *ownership.Lease) {
	if lease.Riding(time.Now()) {
		return // it has been asked
	}
	ctx, cancel := context.WithTimeout(ctx, min(l.timing.RenewTimeout, time.Until(lease.RenewBy())))
	defer cancel()
	l.mu.Lock()
	generation := l.generation
	l.mu.Unlock()
	l.poll(ctx, lease, generation)
}

// succeed tries to get the next lease while the store vouches for what ran on the one that
// etcd has ended. ok is false when the store has stopped vouching, or ctx has ended.
func (l *leaser) succeed(ctx context.Context, old *ownership.Lease) (next *ownership.Lease, ok bool) {
	trying, done := whileStanding(ctx, old)
	defer done()
	for {
		lease, generation, err := l.try(trying)
		switch {
		case err == nil:
			l.granted(ctx, lease, generation)
			l.rides.Go(func() { l.moveOn(ctx, old) })
			return lease, true
		case ctx.Err() != nil:
			return nil, false
		case trying.Err() != nil:
			l.lost(old)
			return nil, false
		case l.trouble.Set(err):
			l.log.Error("no next lease yet, riding on the store's word", "err", err)
		}
		select {
		case <-trying.Done():
		case <-time.After(l.timing.Renew):
		}
	}
}

// whileStanding is a ctx that ends when the lease has passed.
func whileStanding(ctx context.Context, lease *ownership.Lease) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		for !lease.Passed(time.Now()) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Until(lease.Deadline())):
			}
		}
	}()
	return ctx, cancel
}

// moveOn moves what runs on old to the present lease, until nothing hangs on old any more. What
// the store stops vouching for before has to stop.
func (l *leaser) moveOn(ctx context.Context, old *ownership.Lease) {
	moved := make(chan struct{})
	l.rides.Go(func() {
		defer close(moved)
		for ctx.Err() == nil && !old.Passed(time.Now()) && l.keeper.Hangs(old) > 0 {
			l.keeper.Rehang(ctx, old)
			if l.keeper.Hangs(old) == 0 {
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(l.timing.Retry):
			}
		}
	})
	for {
		select {
		case <-ctx.Done():
			return
		case <-moved:
			if !old.Passed(time.Now()) {
				l.log.Info("all sessions have moved to the new lease", "lease", old.ID())
				return
			}
		case <-time.After(time.Until(old.Deadline())):
		}
		if old.Passed(time.Now()) {
			l.log.Error("the store does not vouch for sessions that etcd does not know yet: they stop", "lease", old.ID(), "sessions", l.keeper.Hangs(old))
			l.stop(old)
			return
		}
	}
}

func (l *leaser) endNote(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, l.timing.RenewTimeout)
	defer cancel()
	if err := l.store.EndNote(ctx); err != nil && ctx.Err() == nil {
		l.log.Warn("the note in the store was not ended, a successor would wait for nothing", "err", err)
	}
}

// allStopped spares successors the wait for sessions that have ended.
func (l *leaser) allStopped(token ownership.Token) {
	ctx, cancel := context.WithTimeout(context.Background(), l.timing.RenewTimeout)
	defer cancel()
	if err := l.store.AllStopped(ctx, token); err != nil {
		l.log.Warn("the store was not told that the sessions have ended", "err", err)
	}
}
