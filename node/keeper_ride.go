package node

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"session-manager/node/etcd"
	"session-manager/node/ownership"
)

// claim is a running session at one moment.
type claim struct {
	entry   *entry
	cliente ownership.Cliente
	token   ownership.Token
}

// Claims are the sessions that run on the lease.
func (k *keeper) Claims(l *ownership.Lease) []claim {
	k.mu.Lock()
	defer k.mu.Unlock()
	var claims []claim
	for c, en := range k.entries {
		if en.lease == l && en.hold != nil && en.machine.Phase() == ownership.Running {
			claims = append(claims, claim{en, c, en.machine.Token()})
		}
	}
	return claims
}

// Leases are those that something hangs on.
func (k *keeper) Leases() []*ownership.Lease {
	k.mu.Lock()
	defer k.mu.Unlock()
	var leases []*ownership.Lease
	for _, en := range k.entries {
		if en.lease != nil && !slices.Contains(leases, en.lease) {
			leases = append(leases, en.lease)
		}
	}
	return leases
}

// Hangs counts what hangs on the lease, in whatever phase.
func (k *keeper) Hangs(l *ownership.Lease) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := 0
	for _, en := range k.entries {
		if en.lease == l {
			n++
		}
	}
	return n
}

// Raised ends a session whose fence was found raised: somebody else takes the cliente over.
func (k *keeper) Raised(cl claim) {
	k.mu.Lock()
	if k.entries[cl.cliente] != cl.entry || cl.entry.machine.Token() != cl.token {
		k.mu.Unlock()
		return
	}
	cl.entry.hold.End(ownership.ErrFenced)
	do := k.step(cl.entry, ownership.Release{Cause: ownership.ErrFenced})
	k.mu.Unlock()
	k.carryOut(cl.entry, do)
}

// rehangs is how many sessions are moved to a new lease at once.
const rehangs = 64

// Rehang moves what runs on a lease that etcd has ended to the present one: a new key, the
// fence brought to its token, and the session does not notice (rule 5). It tries each session
// once; what was not moved still hangs on old.
func (k *keeper) Rehang(ctx context.Context, old *ownership.Lease) {
	k.mu.Lock()
	next, generation := k.lease, k.generation
	k.mu.Unlock()
	if next == nil || next == old {
		return
	}
	var work sync.WaitGroup
	slots := make(chan struct{}, rehangs)
	for _, cl := range k.Claims(old) {
		slots <- struct{}{}
		work.Go(func() {
			defer func() { <-slots }()
			k.rehang(ctx, cl, next, generation)
		})
	}
	work.Wait()
}

func (k *keeper) rehang(ctx context.Context, cl claim, next *ownership.Lease, generation int64) {
	ctx, cancel := context.WithTimeout(ctx, k.timing.RenewTimeout)
	defer cancel()
	revision, err := k.authority.CreateOwner(ctx, cl.cliente, next.ID(), k.process)
	switch {
	case errors.Is(err, etcd.ErrTaken):
		k.log.Warn("another node took the cliente while the store vouched for it here", "cliente", cl.cliente)
		k.Raised(cl)
		return
	case err != nil:
		// Created or not: the next try counts a key under the same lease as created, and one
		// that nobody tries for again is a stray.
		k.news.Log(k.log, slog.LevelWarn, "running cliente has no new key yet, trying on", err, "cliente", cl.cliente)
		return
	}
	token := ownership.Token{Generation: generation, Revision: revision}
	err = cl.entry.hold.Swap(token, next, func(old ownership.Token) error {
		return k.fences.Swap(ctx, cl.cliente, old, token)
	})
	if errors.Is(err, ownership.ErrFenced) {
		cl.entry.hold.End(ownership.ErrFenced)
	} else if err != nil {
		k.news.Log(k.log, slog.LevelWarn, "running cliente has a new key, but its fence is not there yet, trying on", err, "cliente", cl.cliente)
		return
	}
	k.mu.Lock()
	if k.entries[cl.cliente] != cl.entry {
		k.mu.Unlock()
		return // it ended meanwhile; the new key is a stray
	}
	cl.entry.lease = next
	do := k.step(cl.entry, ownership.Rehung{Token: token})
	if err != nil {
		do = append(do, k.step(cl.entry, ownership.Release{Cause: ownership.ErrFenced})...)
	}
	k.mu.Unlock()
	k.carryOut(cl.entry, do)
	k.changed.Raise()
}

// Vouched takes note of a poll's answer: of the sessions that ran when it was sent, those whose
// fences do not stand any more end.
func (k *keeper) Vouched(claims []claim, standing map[ownership.Cliente]bool) (raised int) {
	for _, cl := range claims {
		if !standing[cl.cliente] {
			k.Raised(cl)
			raised++
		}
	}
	return raised
}

// latest is the greatest token of the claims.
func latest(claims []claim) (t ownership.Token) {
	for _, cl := range claims {
		if t.Less(cl.token) {
			t = cl.token
		}
	}
	return t
}

// Riding says whether only the store vouches for this node.
func (k *keeper) Riding() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lease != nil && k.lease.Riding(time.Now())
}
