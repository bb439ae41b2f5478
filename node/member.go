package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"session-manager/node/etcd"
	"session-manager/node/ownership"
)

// putMember puts this node's key under the lease. Where a past life of this node still has
// it, that life's lease is revoked first: its process has ended, since we hold its data directory.
func (l *leaser) putMember(ctx context.Context, lease int64) error {
	l.relent()
	l.mu.Lock()
	l.member.Lease = lease
	l.member.State = l.state()
	member := l.member
	l.mu.Unlock()
	err := l.etcd.PutMember(ctx, member)
	if !errors.Is(err, etcd.ErrNameTaken) {
		return err
	}
	past, ok, readErr := l.etcd.Member(ctx, member.Name)
	switch {
	case readErr != nil:
		return readErr
	case !ok:
		return l.etcd.PutMember(ctx, member)
	case !l.wasMine(past.Incarnation):
		return fmt.Errorf("another process runs under the node name %q at %s: give this node another --node-name, or wait until the other's lease has ended: %w",
			member.Name, past.Address, err)
	}
	l.log.Info("revoking the lease of this node's past life", "lease", past.Lease)
	if err := l.etcd.Revoke(ctx, past.Lease); err != nil {
		return fmt.Errorf("revoke the lease of this node's past life: %w", err)
	}
	return l.etcd.PutMember(ctx, member)
}

// Drain makes this node take nothing more, and says so to the others.
func (l *leaser) Drain(ctx context.Context) {
	l.mu.Lock()
	l.draining = true
	l.mu.Unlock()
	l.reason.Set(ownership.ErrDraining)
	l.Publish(ctx)
}

// Recheck asks whether etcd is still the one that the store knows (rule 1), which matters to a
// node whose lease outlives etcd's restoration from an old copy: it takes nothing more, and what
// it has goes on. A new generation, which an operator or a failover of the store has begun,
// ends the lease, and so does a store that is not the cluster's any more (rule 13).
func (l *leaser) Recheck(ctx context.Context) {
	lease := l.held.Load()
	if lease == nil || lease.Riding(time.Now()) {
		return // rule 1 comes before the next lease
	}
	ctx, cancel := context.WithTimeout(ctx, l.timing.TTL)
	defer cancel()
	id, err := l.settle(ctx)
	l.mu.Lock()
	generation, barred := l.generation, l.barred
	switch {
	case err == nil:
		l.barred = nil
	case errors.Is(err, ownership.ErrRestored), errors.Is(err, ownership.ErrWiped), errors.Is(err, ownership.ErrOtherStore):
		l.barred = err
	}
	news := (l.barred == nil) != (barred == nil)
	l.mu.Unlock()
	switch {
	case err == nil && id.Generation > generation:
		l.log.Error("the cluster is in a new generation: all sessions of this node stop and start anew", "generation", id.Generation)
		lease.End()
	case errors.Is(err, ownership.ErrOtherDatabase), errors.Is(err, ownership.ErrOldStore):
		l.log.Error("all sessions of this node stop", "err", err)
		lease.End()
	case news && err != nil:
		l.log.Error("this node takes nothing more", "err", err)
	}
}

// Barred is why etcd is not the one that the store knows, nil where it is.
func (l *leaser) Barred() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.barred != nil {
		return l.barred
	}
	// The lease went with what etcd held: then this is found on the way to the next.
	if err := l.trouble.Get(); unusable(err) {
		return err
	}
	return nil
}

// Order takes an operator's word whether this node should have clientes, and says whether
// there is anything to be done about it.
func (l *leaser) Order(ctx context.Context, drain bool) (news bool) {
	l.mu.Lock()
	news = l.ordered != drain
	l.ordered = drain
	leaving := l.draining
	l.mu.Unlock()
	if !news {
		return drain && l.keeper.count() > 0
	}
	switch {
	case leaving:
	case drain:
		l.reason.Set(errOrdered)
	case l.reason.Get() == errOrdered:
		l.reason.Set(nil)
		l.log.Info("an operator has taken the drain back")
	}
	l.Publish(ctx)
	return true
}

// relent ends this node's rest where no other takes clientes: it rests to leave them to steadier
// nodes, and an owner that may fall again is better than none.
func (l *leaser) relent() {
	for _, m := range l.members() {
		if m.Name != l.member.Name && m.State == stateReady {
			return
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.flaps.MayTake(time.Now()) {
		return
	}
	l.flaps.Forgive()
	l.log.Warn("this node lost its lease often and should rest, but no other takes clientes: it goes on; see why leases are lost (load, clock, network to etcd)")
}

// Publish brings the keeper's admission and nodes/<name> to the present state.
func (l *leaser) Publish(ctx context.Context) {
	l.relent()
	l.admit()
	lease := l.held.Load()
	if lease == nil {
		return // the next lease's key will say it
	}
	l.mu.Lock()
	changed := l.member.State != l.state()
	l.mu.Unlock()
	if !changed {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, l.timing.RenewTimeout)
	defer cancel()
	if err := l.putMember(ctx, lease.ID()); err != nil {
		l.log.Warn("this node's state was not published", "err", err)
	}
}

// admit lets the keeper take clientes, or not.
func (l *leaser) admit() {
	l.mu.Lock()
	state, barred := l.state(), l.barred
	l.mu.Unlock()
	switch {
	case state == stateDraining, state == stateDrained:
		l.keeper.Refuse(ownership.ErrDraining)
	case l.held.Load() == nil:
		l.keeper.Refuse(errNoLease)
	case barred != nil:
		l.keeper.Refuse(fmt.Errorf("%w: %w", errBarred, barred))
	case state == stateResting:
		l.keeper.Refuse(errFlapping)
	default:
		l.keeper.Refuse(nil)
	}
}

// state is what this node is to the others. Holds mu.
func (l *leaser) state() string {
	switch {
	case l.draining:
		return stateDraining
	case l.ordered:
		return stateDrained
	case l.barred != nil, !l.flaps.MayTake(time.Now()):
		return stateResting
	}
	return stateReady
}
