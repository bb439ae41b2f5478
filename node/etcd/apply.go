package etcd

import (
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"session-manager/node/ownership"
)

// apply books what a watch said: the changes of one or more revisions, or none where it only
// says that the view is complete up to revision. etcd never splits a revision in two.
func (v *View) apply(revision int64, changes []*clientv3.Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	died := v.deaths(changes)
	var events []Event
	ordered := false
	for _, e := range changes {
		if e.Kv.ModRevision <= v.revision {
			continue // read already
		}
		if v.orders.book(strings.TrimPrefix(string(e.Kv.Key), v.client.prefix), string(e.Kv.Value)) {
			ordered = true // a deletion has no value
			continue
		}
		c, name, ok := v.parseKey(e.Kv.Key)
		switch deleted := e.Type == mvccpb.Event_DELETE; {
		case !ok:
		case name != "" && deleted:
			if m, stood := v.members[name]; stood {
				delete(v.members, name)
				events = append(events, Event{Kind: MemberGone, Member: m})
			}
		case name != "":
			if m, ok := v.readMember(name, e.Kv); ok {
				v.members[name] = m
				events = append(events, Event{Kind: MemberSet, Member: m})
			}
		case deleted:
			if o, stood := v.owners[c]; stood {
				delete(v.owners, c)
				name, with := died[death{e.Kv.ModRevision, o.Lease}]
				events = append(events, Event{Kind: OwnerGone, Cliente: c, Owner: o, WithMember: with && name == o.Process.Node})
			}
		default:
			if o, ok := v.readOwner(e.Kv); ok {
				v.owners[c] = o
				events = append(events, Event{Kind: OwnerSet, Cliente: c, Owner: o})
			}
		}
	}
	v.remember(events)
	v.revision, v.heard = max(v.revision, revision), time.Now()
	if len(events) > 0 || ordered {
		v.raise()
	}
	v.events.add(events)
}

// death is the end of a node's key: the revision of its deletion, and the lease it hung on.
type death struct{ revision, lease int64 }

// deaths are the nodes whose keys are deleted among the changes, by name. Holds mu.
func (v *View) deaths(changes []*clientv3.Event) map[death]string {
	died := make(map[death]string)
	for _, e := range changes {
		if e.Type != mvccpb.Event_DELETE {
			continue
		}
		_, name, ok := v.parseKey(e.Kv.Key)
		if !ok || name == "" {
			continue
		}
		switch {
		case e.PrevKv != nil:
			died[death{e.Kv.ModRevision, e.PrevKv.Lease}] = name
		default: // compacted away already
			died[death{e.Kv.ModRevision, v.members[name].Lease}] = name
		}
	}
	return died
}

// parseKey tells a node's key (name) from an owner's (cliente); ok is false for any other.
func (v *View) parseKey(key []byte) (c ownership.Cliente, name string, ok bool) {
	rest := strings.TrimPrefix(string(key), v.client.prefix)
	if name, ok := strings.CutPrefix(rest, "nodes/"); ok {
		return 0, name, name != ""
	}
	if number, ok := strings.CutPrefix(rest, "owners/"); ok {
		c, err := ownership.ParseCliente(number)
		return c, "", err == nil
	}
	return 0, "", false
}

// readMember reads a node's key; one that cannot be read is as good as absent, loudly.
func (v *View) readMember(name string, kv *mvccpb.KeyValue) (Member, bool) {
	m, err := parseMember(name, kv)
	if err != nil {
		v.client.log.Error("unreadable node key in etcd", "key", string(kv.Key), "err", err)
	}
	return m, err == nil
}

// readOwner reads an owner's key; one that cannot be read is as good as absent, loudly.
func (v *View) readOwner(kv *mvccpb.KeyValue) (Owner, bool) {
	o, err := parseOwner(kv)
	if err != nil {
		v.client.log.Error("unreadable ownership key in etcd", "key", string(kv.Key), "err", err)
	}
	return o, err == nil
}
