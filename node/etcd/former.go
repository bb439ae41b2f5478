package etcd

import (
	"time"

	"session-manager/node/ownership"
)

// Former is who owned a cliente until its lease ended: nodes/<owner> vanished with the key.
type Former struct {
	Owner  Owner
	Member Member    // as it was last
	Gone   time.Time // when this view learnt of it
}

// Former is the last owner of a cliente that nobody owns, where its lease ended less than
// Timing.GraceMax ago. One that gave the cliente up, as in a planned move, is none.
func (v *View) Former(c ownership.Cliente) (Former, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	f, ok := v.former[c]
	return f, ok && time.Since(f.Gone) < v.client.timing.GraceMax
}

// Reachable returns the nodes that are registered, and those of former owners, which may still serve on the
// store's word. Nobody is named twice.
func (v *View) Reachable() []Member {
	members := v.Members()
	v.mu.RLock()
	defer v.mu.RUnlock()
	seen := make(map[string]bool)
	for _, m := range members {
		seen[m.Incarnation] = true
	}
	for _, f := range v.former {
		if m := f.Member; m.Address != "" && !seen[m.Incarnation] && time.Since(f.Gone) < v.client.timing.GraceMax {
			seen[m.Incarnation] = true
			members = append(members, m)
		}
	}
	return members
}

// AnyFormer says whether there may be such an owner at all.
func (v *View) AnyFormer() bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return len(v.former) > 0
}

// remember keeps former owners, and forgets those of long ago. Holds mu, together with the
// change of owners itself: nobody sees a cliente without an owner and without its former one.
func (v *View) remember(events []Event) {
	now := time.Now()
	if now.Sub(v.swept) > v.client.timing.GraceMax {
		v.swept = now
		for c, f := range v.former {
			if now.Sub(f.Gone) >= v.client.timing.GraceMax {
				delete(v.former, c)
			}
		}
	}
	dead := make(map[int64]Member) // by lease
	for _, e := range events {
		if e.Kind == MemberGone {
			dead[e.Member.Lease] = e.Member
		}
	}
	for _, e := range events {
		switch {
		case e.Kind == OwnerSet, e.Kind == OwnerGone && !e.WithMember:
			delete(v.former, e.Cliente)
		case e.Kind == OwnerGone:
			v.former[e.Cliente] = Former{Owner: e.Owner, Member: dead[e.Owner.Lease], Gone: now}
		}
	}
}
