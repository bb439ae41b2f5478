package node

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

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

// ordered is what an operator wants, as etcd's view tells it.
type ordered interface {
	Target(c ownership.Cliente) (node string, ok bool)
}

// placement says which node should try first for a cliente: the one that an operator wants
// it to be at, else the ring's. The ring follows the takers: nodes
// that are alive in gossip, have a key in etcd, and are ready (rule 8).
type placement struct {
	gossip  membership
	records records
	orders  ordered
	changed *signal           // raised when the takers have changed
	forsake func(peer string) // ends what waits for a node that is gone, by its peer address
	peers   map[string]string // peer addresses of nodes that were there at the last look, by name; Run's alone
	members []string          // at the last look, with their gossip addresses; Run's alone
	ring    atomic.Pointer[ring.Ring]
	vacant  atomic.Pointer[time.Time] // since when the ring is empty; nil: it is not
}

func newPlacement(g membership, r records, o ordered, forsake func(peer string), changed *signal) *placement {
	p := &placement{gossip: g, records: r, orders: o, forsake: forsake, peers: make(map[string]string), changed: changed}
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
		if before := p.peers[m.Name]; before != "" && before != m.Address {
			p.forsake(before)
		}
		p.peers[m.Name] = m.Address
		members = append(members, m.Name+" "+m.Gossip)
		if alive[m.Name] && m.State == stateReady {
			takers = append(takers, m.Name)
		}
	}
	for name, peer := range p.peers {
		// One that is alive without a key rides on the store's word, and still serves.
		if _, stands := p.records.Member(name); !stands && !alive[name] {
			delete(p.peers, name)
			p.forsake(peer)
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
	if now := time.Now(); len(takers) > 0 {
		p.vacant.Store(nil)
	} else {
		p.vacant.CompareAndSwap(nil, &now)
	}
}

// Of is the node that should try first; ok is false while there is no taker at all.
func (p *placement) Of(c ownership.Cliente) (node string, ok bool) {
	if node, ok := p.Ordered(c); ok {
		return node, true
	}
	return p.ring.Load().Owner(uint64(c))
}

// Ordered is the node that an operator wants the cliente to be at, while it is a taker.
func (p *placement) Ordered(c ownership.Cliente) (node string, ok bool) {
	node, ok = p.orders.Target(c)
	return node, ok && slices.Contains(p.Takers(), node)
}

// Takers are the nodes on the ring, sorted.
func (p *placement) Takers() []string { return p.ring.Load().Members() }

// Vacant is for how long there has been no taker; 0: there is one.
func (p *placement) Vacant() time.Duration {
	if since := p.vacant.Load(); since != nil {
		return time.Since(*since)
	}
	return 0
}

// Ring is the present one: another one whenever the takers have changed.
func (p *placement) Ring() *ring.Ring { return p.ring.Load() }
