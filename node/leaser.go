package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"session-manager/node/etcd"
	"session-manager/node/ownership"
)

// Member states, as nodes/<name> says them.
const (
	stateReady    = "ready"
	stateResting  = "resting"  // lost its lease too often (rule 8), or may take nothing (rule 1)
	stateDraining = "draining" // on its way out
	stateDrained  = "drained"  // has no clientes, or soon: an operator wants it so
)

// leases is the part of etcd that the leaser needs.
type leases interface {
	Grant(ctx context.Context, ttl time.Duration) (id int64, granted time.Duration, err error)
	Renew(ctx context.Context, id int64) (granted time.Duration, err error)
	Revoke(ctx context.Context, id int64) error
	PutMember(ctx context.Context, m etcd.Member) error
	Member(ctx context.Context, name string) (etcd.Member, bool, error)
}

// leaser keeps the one lease of this node: asks for it, renews it, ends everything that hangs
// on it when its deadline passes, and only then asks for the next (rules 2 and 6). Where the
// store vouches for the sessions after etcd has ended the lease, they move to the next one
// (rule 5).
type leaser struct {
	timing  ownership.Timing
	etcd    leases
	store   voucher
	keeper  *keeper
	settle  func(ctx context.Context) (ownership.Identity, error) // rule 1, before each lease
	wasMine func(incarnation string) bool                         // rule 14
	members func() []etcd.Member                                  // all nodes, as etcd tells
	exit    func(code int)
	log     *slog.Logger
	metrics *metrics
	reason  *reason // why this node is not ready
	trouble reason  // why etcd does not vouch for this node, where the store does

	mu         sync.Mutex // guards what follows, held excepted
	flaps      *ownership.Flaps
	member     etcd.Member
	draining   bool
	generation int64 // of the held lease
	barred     error // etcd is not the one that the store knows: nothing may be taken (rule 1)
	ordered    bool  // an operator wants this node to have no clientes

	held  atomic.Pointer[ownership.Lease]
	doubt chan struct{}  // capacity 1: somebody has reason to think that etcd has ended the lease
	rides sync.WaitGroup // polls of the store, and moves to a next lease
}

// Run goes from lease to lease until ctx ends. The last lease is left as it is; see End.
func (l *leaser) Run(ctx context.Context) {
	defer l.rides.Wait()
	for ctx.Err() == nil {
		lease, ok := l.obtain(ctx)
		for ok {
			l.keep(ctx, lease)
			if ctx.Err() != nil {
				return
			}
			if lease.Passed(time.Now()) {
				l.lost(lease)
				break
			}
			lease, ok = l.succeed(ctx, lease)
		}
	}
}

// obtain tries until it has a lease with this node's member key on it.
func (l *leaser) obtain(ctx context.Context) (*ownership.Lease, bool) {
	for {
		lease, generation, err := l.try(ctx)
		if err == nil {
			l.granted(ctx, lease, generation)
			return lease, true
		}
		if ctx.Err() != nil {
			return nil, false
		}
		if l.reason.Set(fmt.Errorf("no lease: %w", err)) {
			l.log.Error("no lease, this node serves nothing until it has one", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil, false
		case <-time.After(l.timing.Renew):
		}
	}
}

// granted takes up a new lease.
func (l *leaser) granted(ctx context.Context, lease *ownership.Lease, generation int64) {
	l.held.Store(lease)
	l.keeper.LeaseGranted(lease, generation)
	l.rides.Go(func() { l.ride(ctx, lease, generation) })
	l.mu.Lock()
	ordered := l.ordered
	l.generation, l.barred = generation, nil
	l.trouble.Set(nil)
	l.mu.Unlock()
	l.admit()
	if ordered {
		l.reason.Set(errOrdered)
	} else {
		l.reason.Set(nil)
	}
	l.log.Info("lease granted", "lease", lease.ID(), "generation", generation)
}

func (l *leaser) try(ctx context.Context) (*ownership.Lease, int64, error) {
	settling, done := context.WithTimeout(ctx, l.timing.TTL)
	id, err := l.settle(settling)
	done()
	if err != nil {
		return nil, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, l.timing.TTL-l.timing.Margin)
	defer cancel()
	sent := time.Now()
	leaseID, granted, err := l.etcd.Grant(ctx, l.timing.TTL)
	if err != nil {
		return nil, 0, fmt.Errorf("ask etcd for a lease: %w", err)
	}
	lease := ownership.NewLease(leaseID, sent, granted, l.timing.Margin)
	if err := l.putMember(ctx, leaseID); err != nil {
		l.revoke(leaseID)
		return nil, 0, err
	}
	return lease, id.Generation, nil
}

// keep renews the lease, one renewal at a time, until it passes or etcd says that it is gone.
// The deadline has a timer of its own: a renewal that hangs must not delay it.
func (l *leaser) keep(ctx context.Context, lease *ownership.Lease) {
	type renewal struct {
		sent    time.Time
		granted time.Duration
		err     error
	}
	done := make(chan renewal, 1)
	var under sync.WaitGroup
	defer under.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // a renewal under way must not hold up what follows the deadline
	next := time.NewTimer(l.timing.Renew)
	defer next.Stop()
	deadline := time.NewTimer(time.Until(lease.Deadline()))
	defer deadline.Stop()
	asking := false // a renewal is under way
	for {
		select {
		case <-ctx.Done():
			return
		case <-deadline.C:
			if lease.Passed(time.Now()) {
				l.log.Error("neither etcd nor the store vouches for this node any more: all its sessions stop", "lease", lease.ID())
				return
			}
			deadline.Reset(time.Until(lease.Deadline()))
		case <-l.doubt:
			if !asking {
				next.Reset(0)
			}
		case <-next.C:
			sent := time.Now()
			asking = true
			under.Go(func() {
				ctx, cancel := context.WithTimeout(ctx, l.timing.RenewTimeout)
				defer cancel()
				granted, err := l.etcd.Renew(ctx, lease.ID())
				done <- renewal{sent, granted, err}
			})
		case r := <-done:
			asking = false
			next.Reset(max(0, l.timing.Renew-time.Since(r.sent)))
			switch {
			case errors.Is(r.err, etcd.ErrLeaseGone):
				l.lastWord(ctx, lease)
				lease.Lapse()
				l.log.Error("etcd has ended the lease", "lease", lease.ID(), "store_vouches", !lease.Passed(time.Now()))
				return
			case r.err != nil:
				l.metrics.renewals.WithLabelValues("failed").Inc()
				l.trouble.Set(r.err)
				if !lease.Riding(time.Now()) { // else the ride has been told of
					l.log.Warn("lease was not renewed", "lease", lease.ID(), "left", time.Until(lease.RenewBy()).Round(time.Millisecond).String(), "err", r.err)
				}
			case !lease.Renewed(r.sent, time.Now(), r.granted):
				return
			default:
				l.metrics.renewals.WithLabelValues("ok").Inc()
				l.trouble.Set(nil)
				deadline.Reset(time.Until(lease.Deadline()))
			}
		}
	}
}

// Doubt makes the leaser ask etcd for the lease at once.
func (l *leaser) Doubt() {
	select {
	case l.doubt <- struct{}{}:
	default:
	}
}

// Trouble is why etcd lets this node take nothing.
func (l *leaser) Trouble() error {
	if err := l.reason.Get(); err != nil {
		return err
	}
	if err := l.trouble.Get(); err != nil {
		return fmt.Errorf("etcd does not vouch for this node, so that it takes nothing: %w", err)
	}
	return errNoLease
}

// lost ends what hung on the lease.
func (l *leaser) lost(lease *ownership.Lease) {
	l.held.Store(nil)
	l.reason.Set(ownership.ErrLeaseLost)
	l.metrics.leasesLost.Inc()
	l.keeper.Refuse(errNoLease)
	l.stop(lease)
	l.mu.Lock()
	l.flaps.Lost(time.Now())
	l.mu.Unlock()
}

// stop ends the sessions of a lease, and then the lease. A process whose sessions do not end
// in time ends itself: somebody else is about to own them.
func (l *leaser) stop(lease *ownership.Lease) {
	limit := time.NewTimer(l.timing.Exit)
	defer limit.Stop()
	claims := l.keeper.Claims(lease)
	sessions := l.keeper.LeaseLost(lease)
	for _, ended := range sessions {
		select {
		case <-ended:
		case <-limit.C:
			l.log.Error("sessions did not end with their lease: the process ends, so that no account has two owners")
			l.exit(ExitStuck)
			return
		}
	}
	l.log.Info("nothing runs on the lease any more", "lease", lease.ID(), "stopped", len(sessions))
	if len(claims) > 0 {
		l.allStopped(latest(claims))
	}
	l.revoke(lease.ID())
}

// revoke tells etcd that a lease is not needed any more; where etcd does not answer, the
// lease ends by itself.
func (l *leaser) revoke(id int64) {
	ctx, cancel := context.WithTimeout(context.Background(), l.timing.RenewTimeout)
	defer cancel()
	if err := l.etcd.Revoke(ctx, id); err != nil && !errors.Is(err, etcd.ErrLeaseGone) {
		l.log.Warn("lease was not revoked and ends by itself", "lease", id, "err", err)
	}
}

// End gives the held lease back when Run has returned, after what still hangs on it, or on one
// that it followed, has ended.
func (l *leaser) End() {
	held := l.held.Swap(nil)
	for _, lease := range l.keeper.Leases() {
		if lease != held {
			l.stop(lease)
		}
	}
	if held != nil {
		l.stop(held)
	}
	l.keeper.Wait()
}
