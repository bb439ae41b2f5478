package node

import (
	"context"
	"slices"
	"sync/atomic"

	"session-manager/node/etcd"
	"session-manager/node/ownership"
	"session-manager/ring"
	"session-manager/ring/gossip"
)

// membership is who gossip says is alive.
type membership interface {
	Alive() []gossip.Member
	Changed() <-chan struct{}
	Nudge() // the nodes to join have changed
}

// records is etcd's view of nodes and owners, kept up by a watch.
type records interface {
	Owner(c ownership.Cliente) (etcd.Owner, bool)
	Owners() map[ownership.Cliente]etcd.Owner
	Member(name string) (etcd.Member, bool)
	Members() []etcd.Member
	Changed() <-chan struct{}
	Revision() int64
}

// placement says which node should try first for a cliente. It follows the takers: nodes
// that are alive in gossip, have a key in etcd, and are ready (rule 8).
type placement struct {
	gossip  membership
	records records
	changed *signal  // raised when the takers have changed
	members []string // at the last look, with their gossip addresses; Run's alone
	ring    atomic.Pointer[ring.Ring]
}

func newPlacement(g membership, r records, changed *signal) *placement {
	p := &placement{gossip: g, records: r, changed: changed}
	p.ring.Store(ring.New(nil))
	p.rebuild()
	return p
}

// Run keeps the ring up to date until ctx ends.
func (p *placement) Run(ctx context.Context) {
	for {
		gossip, records := p.gossip.Changed(), p.records.Changed()
		p.rebuild()
		p.changed.Raise() // routes follow both
		select {
		case <-ctx.Done():
			return
		case <-gossip:
		case <-records:
		}
	}
}

func (p *placement) rebuild() {
	alive := make(map[string]bool)
	for _, m := range p.gossip.Alive() {
		alive[m.Name] = true
	}
	var takers, members []string
	for _, m := range p.records.Members() {
		members = append(members, m.Name+" "+m.Gossip)
		if alive[m.Name] && m.State == stateReady {
			takers = append(takers, m.Name)
		}
	}
	if !slices.Equal(members, p.members) {
		p.members = members
		p.gossip.Nudge()
	}
	slices.Sort(takers)
	if !slices.Equal(takers, p.ring.Load().Members()) {
		p.ring.Store(ring.New(takers))
	}
}

// Of is the node that should try first; ok is false while there is no taker at all.
func (p *placement) Of(c ownership.Cliente) (node string, ok bool) {
	return p.ring.Load().Owner(uint64(c))
}

// Takers are the nodes on the ring, sorted.
func (p *placement) Takers() []string { return p.ring.Load().Members() }
