package node

import (
	"context"
	"time"

	"session-manager/node/ownership"
)

// Silence is for how long etcd has not let this node take anything; 0: it does. What this node
// knows of owners is as old.
func (k *keeper) Silence() time.Duration {
	now := time.Now()
	k.mu.Lock()
	lease, heard := k.lease, k.heard
	k.mu.Unlock()
	switch {
	case lease == nil:
		return now.Sub(heard)
	case lease.Lapsed(), !now.Before(lease.RenewBy()):
		return now.Sub(k.lastRenewed(lease))
	}
	return 0
}

// lastRenewed is when the lease's last good renewal was sent.
func (k *keeper) lastRenewed(l *ownership.Lease) time.Time {
	return l.RenewBy().Add(k.timing.Margin - k.timing.TTL)
}

// Takes says whether this node takes clientes now.
func (k *keeper) Takes() bool {
	return k.Refusal() == nil && k.Silence() == 0
}

// Refusal is why this node was told to take nothing; nil: it was not.
func (k *keeper) Refusal() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.refuse
}

// await returns nil when one of the two is closed, and an error when ctx ends, or when etcd has
// been silent for longer than any failover takes: who waits longer only finds out later.
func (k *keeper) await(ctx context.Context, started, gone <-chan struct{}) error {
	select {
	case <-started:
		return nil
	case <-gone:
		return nil
	default:
	}
	look := time.NewTicker(k.timing.Poll)
	defer look.Stop()
	for k.Silence() < k.timing.Failover() {
		select {
		case <-started:
			return nil
		case <-gone:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
		}
	}
	return errSilent
}
