package node

import (
	"context"
	"log/slog"
	"time"

	"session-manager/node/etcd"
	"session-manager/node/ownership"
	"session-manager/node/rarely"
)

// wanted is the part of the store that the sweeper needs.
type wanted interface {
	Wanted(ctx context.Context, of ...ownership.Cliente) ([]ownership.Cliente, error)
}

// sweeper starts what should run here and does not: each Sweep, and soon after an owner or a
// node has gone (rule 10). It also finds keys of this process without a session (rule 6).
type sweeper struct {
	timing    ownership.Timing
	node      string
	keeper    *keeper
	placement *placement
	records   records
	events    <-chan etcd.Event
	store     wanted
	grace     *grace
	ends      interface{ Changed() <-chan struct{} } // of other processes, as seen by the witness
	synced    func() bool                            // whether records are in touch with etcd
	doubt     func()                                 // says that the lease may have ended
	recheck   func(ctx context.Context)              // whether etcd is the one that the store knows
	publish   func(ctx context.Context)              // this node's state, which time alone may change
	log       *slog.Logger
	news      rarely.Lines

	suspects map[ownership.Cliente]int64 // keys without a session at the last look, by revision
	keyless  map[ownership.Cliente]int64 // sessions without a key at the last look, by revision
}

// Run sweeps until ctx ends.
func (s *sweeper) Run(ctx context.Context) {
	sweep := time.NewTimer(0)
	defer sweep.Stop()
	orphans := time.NewTicker(s.timing.Orphan)
	defer orphans.Stop()
	soon := false // the sweep timer is set to Settle
	ends, recovered := s.ends.Changed(), s.keeper.recovered.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ends: // who was waited for will not come back
			ends = s.ends.Changed()
			s.keeper.changed.Raise()
			soon = true
			sweep.Reset(s.timing.Settle)
		case <-recovered: // what could not be taken while it did not work
			recovered = s.keeper.recovered.Wait()
			soon = true
			sweep.Reset(s.timing.Settle)
		case e := <-s.events:
			switch {
			case e.Kind == etcd.OwnerGone && !e.WithMember:
				s.keeper.KeyGone(e.Cliente, e.Owner.Revision)
			case e.Kind == etcd.MemberGone && e.Member.Name == s.node:
				s.doubt() // the lease with all its keys: what that means is the leaser's to find out
			}
			if e.Kind == etcd.OwnerGone && !e.WithMember {
				s.handedOver(ctx, e.Cliente)
				continue
			}
			if e.Kind != etcd.OwnerSet && !soon {
				soon = true
				sweep.Reset(s.timing.Settle)
			}
		case <-orphans.C:
			s.strays()
			s.orphans()
		case <-sweep.C:
			if !soon {
				s.recheck(ctx)
			}
			soon = false
			s.publish(ctx)
			s.keeper.EndUnasked(time.Now())
			graced := s.grace.Look(ctx)
			s.sweep(ctx)
			if graced {
				sweep.Reset(s.timing.Poll) // who is waited for may be back, or gone for good
			} else {
				sweep.Reset(s.timing.Sweep)
			}
		}
	}
}

func (s *sweeper) sweep(ctx context.Context) {
	if s.keeper.Lease() == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, s.timing.Sweep)
	defer cancel()
	s.restore(ctx)
}

// handedOver starts a cliente that its owner has just given up in good order, without waiting
// for others: somebody may be waiting for it. One that is not to be had now comes with a sweep.
func (s *sweeper) handedOver(ctx context.Context, c ownership.Cliente) {
	if node, ok := s.placement.Of(c); !ok || node != s.node || s.keeper.Lease() == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, s.timing.Renew)
	defer cancel()
	s.restore(ctx, c)
}

// restore starts those of the clientes (none: of all) that should run, are owned by nobody, and
// are placed here.
func (s *sweeper) restore(ctx context.Context, of ...ownership.Cliente) {
	clientes, err := s.store.Wanted(ctx, of...)
	if err != nil {
		s.news.Log(s.log, slog.LevelWarn, "the store does not say which clientes should run, asking again", err)
		return
	}
	for _, c := range clientes {
		if _, owned := s.records.Owner(c); owned {
			continue
		}
		if node, ok := s.placement.Of(c); !ok || node != s.node {
			continue
		}
		if _, bound := s.grace.Binds(c); !bound {
			s.keeper.Restore(c)
		}
	}
}

// strays gives back the keys under the present lease that the keeper knows nothing of. The
// view lags behind the keeper by a moment, so a key is a stray when it is seen in two looks.
func (s *sweeper) strays() {
	lease := s.keeper.Lease()
	if lease == nil {
		return
	}
	suspects := make(map[ownership.Cliente]int64)
	for c, owner := range s.records.Owners() {
		if owner.Lease != lease.ID() || s.keeper.Kept(c) {
			continue
		}
		if s.suspects[c] == owner.Revision {
			s.keeper.Stray(c, lease, owner.Revision)
		} else {
			suspects[c] = owner.Revision
		}
	}
	s.suspects = suspects
}

// orphans ends sessions whose keys do not stand any more: the store vouched while they went, and
// then etcd did again, for a lease that had never ended. They too are seen in two looks.
func (s *sweeper) orphans() {
	lease := s.keeper.Lease()
	if lease == nil || lease.Lapsed() || lease.Riding(time.Now()) || !s.synced() {
		s.keyless = nil
		return
	}
	keyless := make(map[ownership.Cliente]int64)
	for _, cl := range s.keeper.Claims(lease) {
		owner, ok := s.records.Owner(cl.cliente)
		switch {
		case ok && owner.Lease == lease.ID() && owner.Revision == cl.token.Revision:
		case s.keyless[cl.cliente] == cl.token.Revision:
			s.keeper.KeyGone(cl.cliente, cl.token.Revision)
		default:
			keyless[cl.cliente] = cl.token.Revision
		}
	}
	s.keyless = keyless
}
