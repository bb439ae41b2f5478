package etcd

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"session-manager/node/ownership"
)

// View is what etcd's keys said last, in memory. While etcd is out of reach it stays as it is;
// Synced and Age tell.
type View struct {
	client *Client
	events *eventQueue

	mu       sync.RWMutex // guards what follows
	owners   map[ownership.Cliente]Owner
	members  map[string]Member
	former   map[ownership.Cliente]Former // see remember
	swept    time.Time                    // when former was last looked through
	orders   orders
	revision int64
	heard    time.Time // when etcd last said that the view is complete up to revision
	changed  chan struct{}
}

// Watch reads all keys and follows them until ctx ends or the client is closed. The first
// reading is waited for, for Timing.TTL at most; what it found comes as events, too.
func (c *Client) Watch(ctx context.Context) (*View, error) {
	v := &View{client: c, events: newEventQueue(), changed: make(chan struct{}), former: make(map[ownership.Cliente]Former), orders: newOrders()}
	if err := v.list(ctx); err != nil {
		v.events.close()
		return nil, fmt.Errorf("read ownership from etcd: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(c.life, cancel)
	c.work.Go(func() {
		defer stop()
		defer cancel()
		v.follow(ctx)
	})
	return v, nil
}

// Owner is who owns the cliente.
func (v *View) Owner(c ownership.Cliente) (Owner, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	o, ok := v.owners[c]
	return o, ok
}

// Owners is a copy of all ownerships.
func (v *View) Owners() map[ownership.Cliente]Owner {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return maps.Clone(v.owners)
}

// Member is the node of that name.
func (v *View) Member(name string) (Member, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	m, ok := v.members[name]
	return m, ok
}

// Members are all nodes with a key, sorted by name.
func (v *View) Members() []Member {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return slices.SortedFunc(maps.Values(v.members), func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
}

// Revision is etcd's revision that the view is at.
func (v *View) Revision() int64 {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.revision
}

// Changed is closed at the next change. Take it before looking.
func (v *View) Changed() <-chan struct{} {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.changed
}

// Age is how long ago etcd last said that the view is complete. While etcd is in reach it says
// so every Timing.Renew.
func (v *View) Age() time.Duration {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return time.Since(v.heard)
}

// Synced says whether the view is in touch with etcd: not one saying is overdue.
func (v *View) Synced() bool { return v.Age() < v.client.timing.Renew+v.client.timing.RenewTimeout }

// Events are the changes, in order, without a bound; somebody must read them.
func (v *View) Events() <-chan Event { return v.events.out }

// raise wakes those who wait for a change. Holds mu.
func (v *View) raise() {
	close(v.changed)
	v.changed = make(chan struct{})
}
