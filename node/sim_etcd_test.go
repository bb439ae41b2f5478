package node

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"session-manager/node/etcd"
	"session-manager/node/ownership"
)

// simEtcd is an etcd in synthetic time: leases that end by its own clock, keys that hang on
// them, and one revision for each change.
type simEtcd struct {
	sim *simulation

	mu       sync.Mutex // guards what follows
	revision int64
	leases   map[int64]time.Time // when they end
	owners   map[ownership.Cliente]etcd.Owner
	members  map[string]etcd.Member
	accused  map[string]bool
	down     bool // answers nobody; its clock goes on
	changed  *signal
}

const simTTL = 5 * time.Second

func newSimEtcd(s *simulation) *simEtcd {
	return &simEtcd{sim: s, revision: 1, leases: make(map[int64]time.Time), owners: make(map[ownership.Cliente]etcd.Owner),
		members: make(map[string]etcd.Member), accused: make(map[string]bool), changed: newSignal()}
}

// expire ends leases, as etcd does: some time after they are due.
func (e *simEtcd) expire(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.down {
		return
	}
	for id, end := range e.leases {
		if now.After(end.Add(300 * time.Millisecond)) {
			e.endLocked(id)
		}
	}
}

func (e *simEtcd) endLocked(id int64) {
	if _, stands := e.leases[id]; !stands {
		return
	}
	delete(e.leases, id)
	e.revision++
	maps.DeleteFunc(e.owners, func(_ ownership.Cliente, o etcd.Owner) bool { return o.Lease == id })
	maps.DeleteFunc(e.members, func(_ string, m etcd.Member) bool { return m.Lease == id })
	e.changed.Raise()
}

// away makes etcd answer nobody, or answer again: with its leases renewed, as after a restart, or
// as its clock says, as after a pause.
func (e *simEtcd) away(down, renewed bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.down = down
	if renewed {
		for id := range e.leases {
			e.leases[id] = time.Now().Add(simTTL)
		}
	}
}

// call carries do out for a node, if the request and the answer get through.
func (e *simEtcd) call(ctx context.Context, n *simNode, do func() error) error {
	if !n.toEtcd.pass(ctx) {
		return ctx.Err()
	}
	e.mu.Lock()
	if e.down {
		e.mu.Unlock()
		<-ctx.Done()
		return ctx.Err()
	}
	err := do()
	e.mu.Unlock()
	if !n.fromEtcd.pass(ctx) {
		return ctx.Err()
	}
	return err
}

// simClient is one process's client.
type simClient struct {
	*simEtcd
	n *simNode
}

func unknown(err error) error {
	if err != nil && strings.HasPrefix(err.Error(), "context") {
		return ownership.ErrUnknownOutcome
	}
	return err
}

func (c simClient) Grant(ctx context.Context, ttl time.Duration) (id int64, granted time.Duration, err error) {
	err = c.call(ctx, c.n, func() error {
		c.revision++
		id, granted = c.revision, ttl
		c.leases[id] = time.Now().Add(ttl)
		return nil
	})
	return id, granted, err
}

func (c simClient) Renew(ctx context.Context, id int64) (time.Duration, error) {
	return simTTL, c.call(ctx, c.n, func() error {
		if _, stands := c.leases[id]; !stands {
			return etcd.ErrLeaseGone
		}
		c.leases[id] = time.Now().Add(simTTL)
		return nil
	})
}

func (c simClient) Revoke(ctx context.Context, id int64) error {
	return unknown(c.call(ctx, c.n, func() error { c.endLocked(id); return nil }))
}

func (c simClient) PutMember(ctx context.Context, m etcd.Member) error {
	return unknown(c.call(ctx, c.n, func() error {
		if _, stands := c.leases[m.Lease]; !stands {
			return etcd.ErrLeaseGone
		}
		if now, ok := c.members[m.Name]; ok && now.Incarnation != m.Incarnation {
			return etcd.ErrNameTaken
		}
		c.revision++
		c.members[m.Name] = m
		c.changed.Raise()
		return nil
	}))
}

func (c simClient) Member(ctx context.Context, name string) (m etcd.Member, ok bool, err error) {
	err = c.call(ctx, c.n, func() error { m, ok = c.members[name]; return nil })
	return m, ok, err
}

func (c simClient) CreateOwner(ctx context.Context, who ownership.Cliente, lease int64, p ownership.Process) (revision int64, err error) {
	err = c.call(ctx, c.n, func() error {
		if _, stands := c.leases[lease]; !stands {
			return etcd.ErrLeaseGone
		}
		if o, ok := c.owners[who]; ok {
			if revision = o.Revision; o.Lease != lease || o.Process != p {
				return etcd.ErrTaken
			}
			return nil
		}
		c.revision++
		revision = c.revision
		c.owners[who] = etcd.Owner{Process: p, Lease: lease, Revision: revision}
		c.changed.Raise()
		return nil
	})
	return revision, unknown(err)
}

func (c simClient) Standing(ctx context.Context, who ownership.Cliente, lease int64) (revision int64, mine bool, err error) {
	err = c.call(ctx, c.n, func() error {
		if o, ok := c.owners[who]; ok {
			revision, mine = o.Revision, o.Lease == lease
		}
		return nil
	})
	return revision, mine, err
}

func (c simClient) DeleteOwner(ctx context.Context, who ownership.Cliente, revision int64) error {
	return unknown(c.call(ctx, c.n, func() error {
		if c.owners[who].Revision == revision {
			c.revision++
			delete(c.owners, who)
			c.changed.Raise()
		}
		return nil
	}))
}

func (c simClient) Accused(ctx context.Context, incarnation string) (accused bool, err error) {
	err = c.call(ctx, c.n, func() error { accused = c.accused[incarnation]; return nil })
	return accused, err
}

// accuse is somebody's word that a process is dead, true or not.
func (e *simEtcd) accuse(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if m, ok := e.members[name]; ok && !e.down {
		e.accused[m.Incarnation] = true
		e.endLocked(m.Lease)
	}
}

// simView is a node's view, which follows etcd while it can be heard.
type simView struct {
	mu      sync.Mutex // guards what follows
	owners  map[ownership.Cliente]etcd.Owner
	members map[string]etcd.Member
	former  map[ownership.Cliente]etcd.Former
	heard   time.Time
	changed *signal
	events  chan etcd.Event
}

// follow brings the view up to date until ctx ends.
func (v *simView) follow(ctx context.Context, n *simNode) {
	for ctx.Err() == nil {
		changed := n.sim.etcd.changed.Wait()
		look, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		var owners map[ownership.Cliente]etcd.Owner
		var members map[string]etcd.Member
		err := n.sim.etcd.call(look, n, func() error {
			owners, members = maps.Clone(n.sim.etcd.owners), maps.Clone(n.sim.etcd.members)
			return nil
		})
		cancel()
		if err == nil {
			v.update(ctx, owners, members)
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func (v *simView) update(ctx context.Context, owners map[ownership.Cliente]etcd.Owner, members map[string]etcd.Member) {
	v.mu.Lock()
	var events []etcd.Event
	dead := make(map[int64]etcd.Member)
	for name, m := range v.members {
		if members[name].Lease != m.Lease {
			dead[m.Lease] = m
			events = append(events, etcd.Event{Kind: etcd.MemberGone, Member: m})
		}
	}
	for _, c := range slices.Sorted(maps.Keys(v.owners)) {
		o := v.owners[c]
		if owners[c].Revision == o.Revision {
			continue
		}
		m, with := dead[o.Lease]
		delete(v.former, c)
		if with {
			v.former[c] = etcd.Former{Owner: o, Member: m, Gone: time.Now()}
		}
		events = append(events, etcd.Event{Kind: etcd.OwnerGone, Cliente: c, Owner: o, WithMember: with})
	}
	for c := range owners {
		delete(v.former, c)
	}
	v.owners, v.members, v.heard = owners, members, time.Now()
	v.mu.Unlock()
	v.changed.Raise()
	for _, e := range events {
		select {
		case v.events <- e:
		case <-ctx.Done():
			return
		}
	}
}

func (v *simView) Owner(c ownership.Cliente) (etcd.Owner, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	o, ok := v.owners[c]
	return o, ok
}

func (v *simView) Owners() map[ownership.Cliente]etcd.Owner {
	v.mu.Lock()
	defer v.mu.Unlock()
	return maps.Clone(v.owners)
}

func (v *simView) Member(name string) (etcd.Member, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	m, ok := v.members[name]
	return m, ok
}

func (v *simView) Members() []etcd.Member {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.SortedFunc(maps.Values(v.members), func(a, b etcd.Member) int { return strings.Compare(a.Name, b.Name) })
}

func (v *simView) Former(c ownership.Cliente) (etcd.Former, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f, ok := v.former[c]
	return f, ok && time.Since(f.Gone) < 15*time.Second
}

func (v *simView) AnyFormer() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.former) > 0
}

func (v *simView) Synced() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return time.Since(v.heard) < 2*time.Second
}

func (v *simView) Changed() <-chan struct{}                { return v.changed.Wait() }
func (v *simView) Revision() int64                         { return 0 }
func (v *simView) Target(ownership.Cliente) (string, bool) { return "", false }
