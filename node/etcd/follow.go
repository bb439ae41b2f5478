package etcd

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"session-manager/node/ownership"
)

// follow watches, and reads all keys anew when a watch has ended. It ends with ctx.
func (v *View) follow(ctx context.Context) {
	defer v.events.close()
	for {
		err := v.watch(ctx)
		if ctx.Err() != nil {
			return
		}
		v.client.log.Warn("watch of etcd ended, reading all keys anew", "err", err)
		for v.list(ctx) != nil {
			select {
			case <-ctx.Done():
				return
			case <-time.After(v.client.timing.Renew):
			}
		}
		v.client.log.Info("the view of etcd is complete again", "revision", v.Revision())
	}
}

// watch follows the keys from the view's revision on, until the watch breaks: etcd lost its
// leader, compacted the revision away, closed the stream, or has said nothing for a TTL
// though it is asked all the time (a server that hangs keeps its connections).
//
// That revision is included, and apply skips it: of a watch whose first revision is still to
// come etcd does not say how far it is.
//
// A connection that breaks is no end: the client makes another and goes on from the revision
// it has seen.
func (v *View) watch(ctx context.Context) error {
	// The metadata of ctx names the stream: requests for progress go where the watch is.
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	stream := v.client.kv.Watch(ctx, v.client.prefix, clientv3.WithPrefix(), clientv3.WithPrevKV(),
		clientv3.WithRev(v.Revision()), clientv3.WithProgressNotify())
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		v.ask(ctx)
	}()
	defer func() {
		cancel()
		<-asked
	}()
	silence := time.NewTimer(v.client.timing.TTL)
	defer silence.Stop()
	for {
		select {
		case r, ok := <-stream:
			if !ok {
				return errors.New("stream closed")
			}
			if err := r.Err(); err != nil {
				return err
			}
			silence.Reset(v.client.timing.TTL)
			v.apply(upTo(r), r.Events)
		case <-silence.C:
			return fmt.Errorf("etcd said nothing for %v", v.client.timing.TTL)
		}
	}
}

// upTo is the revision up to which nothing is still to come. A watch that catches up has its changes
// in portions, each under the header of the store's present revision, which the later ones are below.
func upTo(r clientv3.WatchResponse) int64 {
	if n := len(r.Events); n > 0 {
		return r.Events[n-1].Kv.ModRevision
	}
	return r.Header.Revision // of a progress notification
}

// ask asks etcd every Renew to say how far the watch is, until ctx ends. The answers come as
// watch responses without events.
func (v *View) ask(ctx context.Context) {
	tick := time.NewTicker(v.client.timing.Renew)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			asking, cancel := context.WithTimeout(ctx, v.client.timing.RenewTimeout)
			_ = v.client.kv.RequestProgress(asking) // its absence is what Age and watch notice
			cancel()
		}
	}
}

// list reads all keys, within a TTL, and applies the difference to what the view had.
func (v *View) list(ctx context.Context) error {
	ctx, call, done := v.client.beginWithin(ctx, v.client.timing.TTL)
	defer done()
	r, err := v.client.kv.Get(ctx, v.client.prefix, clientv3.WithPrefix())
	if err != nil {
		return call.failed(err)
	}
	owners, members, orders := make(map[ownership.Cliente]Owner), make(map[string]Member), newOrders()
	for _, kv := range r.Kvs {
		if orders.book(strings.TrimPrefix(string(kv.Key), v.client.prefix), string(kv.Value)) {
			continue
		}
		switch c, name, ok := v.parseKey(kv.Key); {
		case !ok:
		case name != "":
			if m, ok := v.readMember(name, kv); ok {
				members[name] = m
			}
		default:
			if o, ok := v.readOwner(kv); ok {
				owners[c] = o
			}
		}
	}
	v.mu.Lock()
	events := v.difference(owners, members)
	v.remember(events)
	former := v.revision
	v.owners, v.members, v.revision, v.heard = owners, members, r.Header.Revision, time.Now()
	if len(events) > 0 || !reflect.DeepEqual(orders, v.orders) {
		v.raise()
	}
	v.orders = orders
	v.events.add(events) // under mu: events come in the order of the changes
	v.mu.Unlock()
	if r.Header.Revision < former {
		// The leader itself answered. Rule 1 keeps such an etcd from being used.
		v.client.log.Error("etcd's revision went back: it was restored from an old copy", "revision", r.Header.Revision, "seen", former)
	}
	return nil
}

// difference is what happened between the view and a later reading of all keys. Holds mu. In
// between, a node's key and its owners' may have gone in several revisions; that they hung
// on one lease, and that it is gone, is what counts.
func (v *View) difference(owners map[ownership.Cliente]Owner, members map[string]Member) []Event {
	var events []Event
	gone := make(map[int64]string) // names of the members that vanished, by lease
	for name, m := range v.members {
		if now, ok := members[name]; !ok || now.Lease != m.Lease {
			gone[m.Lease] = name
			events = append(events, Event{Kind: MemberGone, Member: m})
		}
	}
	for name, m := range members {
		if v.members[name] != m {
			events = append(events, Event{Kind: MemberSet, Member: m})
		}
	}
	for c, o := range v.owners {
		if now, ok := owners[c]; !ok || now.Revision != o.Revision {
			name, with := gone[o.Lease]
			events = append(events, Event{Kind: OwnerGone, Cliente: c, Owner: o, WithMember: with && name == o.Process.Node})
		}
	}
	for c, o := range owners {
		if v.owners[c] != o {
			events = append(events, Event{Kind: OwnerSet, Cliente: c, Owner: o})
		}
	}
	return events
}
