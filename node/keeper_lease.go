package node

import (
	"time"

	"session-manager/node/ownership"
)

// LeaseGranted lets the keeper take clientes under a new lease.
func (k *keeper) LeaseGranted(l *ownership.Lease, generation int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lease, k.generation = l, generation
	k.changed.Raise()
	k.wakeUp() // who waited in the queue while etcd had ended the lease
}

// Refuse stops (err) or resumes (nil) the taking of clientes. What waits in the queue is told.
func (k *keeper) Refuse(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.refuse = err
	if err != nil {
		k.flush(err)
	}
}

// flush ends the entries that wait in the queue. Holds mu.
func (k *keeper) flush(cause error) {
	for c, en := range k.entries {
		if en.lease == nil {
			k.queue.Remove(c)
			k.forget(en, cause)
		}
	}
}

// LeaseLost ends whatever hung on the lease, and returns one channel for each session that
// ran on it, closed when that session has wholly ended.
func (k *keeper) LeaseLost(l *ownership.Lease) []<-chan struct{} {
	l.End()
	var sessions []<-chan struct{}
	todo := make(map[*entry][]ownership.Effect)
	k.mu.Lock()
	if k.lease == l {
		k.lease, k.heard = nil, k.lastRenewed(l)
		k.flush(ownership.ErrNotOwner)
	}
	for _, en := range k.entries {
		if en.lease != l {
			continue
		}
		if en.hold != nil {
			en.hold.End(ownership.ErrLeaseLost) // before anything else: no frame goes out any more
		}
		if p := en.machine.Phase(); p == ownership.Running || p == ownership.Ending {
			sessions = append(sessions, en.gone) // where the lease is lost, gone follows the session's end
		}
		todo[en] = k.step(en, ownership.LeaseLost{})
	}
	k.mu.Unlock()
	for en, effects := range todo {
		k.carryOut(en, effects)
	}
	return sessions
}

// Release gives a cliente up. The channel is closed when that is done; nil where there is
// nothing to give up.
func (k *keeper) Release(c ownership.Cliente, cause error) <-chan struct{} {
	k.mu.Lock()
	en, ok := k.entries[c]
	if !ok {
		k.mu.Unlock()
		return nil
	}
	if en.lease == nil {
		k.queue.Remove(c)
		k.forget(en, cause)
		k.mu.Unlock()
		return en.gone
	}
	do := k.step(en, ownership.Release{Cause: cause})
	k.mu.Unlock()
	k.carryOut(en, do)
	return en.gone
}

// KeyGone takes note that the key created at revision does not stand any more though nobody
// here deleted it: an operator did, or etcd ended the lease. Whoever owns now, it is not us;
// unless the store vouches for us, which has the last word then (rule 5).
func (k *keeper) KeyGone(c ownership.Cliente, revision int64) {
	k.mu.Lock()
	en, ok := k.entries[c]
	if !ok || en.machine.Phase() != ownership.Running || en.machine.Token().Revision != revision || en.lease.Riding(time.Now()) {
		k.mu.Unlock()
		return
	}
	en.hold.End(ownership.ErrNotOwner)
	do := k.step(en, ownership.Release{Cause: ownership.ErrNotOwner})
	k.mu.Unlock()
	k.log.Warn("ownership key vanished, session stops", "cliente", c, "node", k.process.Node)
	k.carryOut(en, do)
}

// Stray deletes a key under the present lease that no entry accounts for.
func (k *keeper) Stray(c ownership.Cliente, l *ownership.Lease, revision int64) {
	k.mu.Lock()
	if _, kept := k.entries[c]; kept || k.lease != l {
		k.mu.Unlock()
		return
	}
	en := &entry{cliente: c, lease: l, started: make(chan struct{}), gone: make(chan struct{})}
	k.entries[c] = en
	do := k.step(en, ownership.Stray{Revision: revision})
	k.mu.Unlock()
	k.log.Warn("stray ownership key is deleted", "cliente", c, "revision", revision)
	k.carryOut(en, do)
}

// Lease is the present one, nil where there is none.
func (k *keeper) Lease() *ownership.Lease {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lease
}
