package node

import (
	"context"
	"log/slog"
	"time"

	"session-manager/node/ownership"
	"session-manager/router/api"
)

// mover hands clientes over that had better be elsewhere: those that an operator wants elsewhere
// at once, those that the ring places elsewhere slowly, idle ones first, and only while the
// cluster is at rest. A ring that has changed is never a reason to drop a session: it is closed
// in good order, and its successor, which etcd's watch tells, starts it.
type mover struct {
	timing    ownership.Timing
	node      string
	rate      int // clientes rebalanced a second; 0: none
	drainRate func() int
	keeper    *keeper
	leaser    *leaser
	placement *placement
	records   interface {
		Changed() <-chan struct{}
		Synced() bool
		Drained(node string) bool
		Targets() map[ownership.Cliente]string
	}
	log     *slog.Logger
	metrics *metrics
}

// Run moves until ctx ends.
func (m *mover) Run(ctx context.Context) {
	tick := time.NewTicker(m.timing.Renew)
	defer tick.Stop()
	ring, since := m.placement.Ring(), time.Now() // since when it has been as it is
	for {
		changed := m.records.Changed()
		m.obey(ctx)
		if now := m.placement.Ring(); now != ring {
			ring, since = now, time.Now()
		}
		if time.Since(since) >= m.timing.Quiet && !m.rebalance(ctx) {
			since = time.Now() // what was handed over was not taken up: wait before the next
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-tick.C:
		}
	}
}

// obey carries out the operator's orders.
func (m *mover) obey(ctx context.Context) {
	if drain := m.records.Drained(m.node); m.leaser.Order(ctx, drain) && drain {
		m.log.Info("draining, as an operator wants it", "node", m.node)
		m.keeper.Drain(ctx, m.drainRate())
		return
	}
	for c := range m.records.Targets() {
		to, ok := m.placement.Ordered(c)
		if _, runs := m.keeper.Owned(c); runs && ok && to != m.node {
			m.handOver(ctx, c, to)
		}
	}
}

// rebalance hands over one second's worth of what the ring places elsewhere. It returns false
// where a cliente was handed over and nobody took it up.
func (m *mover) rebalance(ctx context.Context) bool {
	if m.rate == 0 || !m.atRest() {
		return true
	}
	pace := time.NewTicker(time.Second / time.Duration(m.rate))
	defer pace.Stop()
	for range m.rate {
		c, to, ok := m.misplaced()
		if !ok {
			return true
		}
		if !m.handOver(ctx, c, to) {
			return false
		}
		select {
		case <-ctx.Done():
			return true
		case <-pace.C:
		}
	}
	return true
}

// atRest says whether nothing else is going on that a move could disturb.
func (m *mover) atRest() bool {
	lease := m.keeper.Lease()
	return lease != nil && !lease.Riding(time.Now()) && m.records.Synced() && m.keeper.queued() == 0
}

// misplaced is the least recently used cliente that should be elsewhere. One that is not READY
// is left alone: it may be showing a QR code to somebody.
func (m *mover) misplaced() (c ownership.Cliente, to string, ok bool) {
	for _, c := range m.keeper.byUse() {
		to, ok := m.placement.Of(c)
		if !ok || to == m.node {
			continue
		}
		if s, runs := m.keeper.Peek(c); runs && s.Snapshot().State == api.Ready {
			return c, to, true
		}
	}
	return 0, "", false
}

// handOver gives a cliente up, and returns whether somebody has taken it within the time of a
// sweep.
func (m *mover) handOver(ctx context.Context, c ownership.Cliente, to string) bool {
	begun := time.Now()
	token, _ := m.keeper.Owned(c)
	gone := m.keeper.Release(c, ownership.ErrHandedOver)
	if gone == nil {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, m.timing.Sweep)
	defer cancel()
	select {
	case <-gone:
	case <-ctx.Done():
		return false
	}
	for {
		changed := m.records.Changed()
		if owner, ok := m.placement.records.Owner(c); ok && owner.Revision != token.Revision {
			if owner.Process.Node == m.node {
				m.log.Info("cliente was to be handed over, and came back", "cliente", c, "node", m.node, "to", to)
				return false
			}
			m.log.Info("cliente handed over", "cliente", c, "node", m.node, "to", owner.Process.Node, "took", time.Since(begun).Round(time.Millisecond).String())
			m.metrics.moved.Inc()
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			m.log.Warn("cliente was handed over, but nobody has taken it yet", "cliente", c, "node", m.node, "to", to)
			return false
		}
	}
}
