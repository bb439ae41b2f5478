// Package ring says which node should try first for a cliente: a pure function of the member
// list. It decides nothing; ownership is decided in etcd (see node/ownership).
//
// Clientes fall into partitions by their hash, and each partition goes to a node by consistent
// hashing with bounded loads: coarse.go for most clusters, fine.go for large ones.
package ring

import (
	"encoding/binary"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// The parameters were measured (bench/placement). All nodes of a cluster must use the same ones.
const (
	virtualNodes = 100  // of each member
	load         = 1.25 // most that a member has, of the mean; tighter ones move up to 2.4 of the ideal share
)

// Ring is the placement for one member list. It never changes; a new list makes a new Ring,
// since adding to and removing from a consistent.Consistent in place depends on the order.
type Ring struct {
	members []string
	owners  []uint16 // index into members, by partition
}

// New places on the given nodes, in whatever order and however often they are named. At most
// 65,535 are used. Building takes a millisecond for a few nodes and 25 for 1,000.
func New(nodes []string) *Ring {
	members := slices.Clone(nodes)
	slices.Sort(members)
	members = slices.Compact(members)
	members = members[:min(len(members), 1<<16-1)]
	r := &Ring{members: members}
	switch n := len(members); {
	case n == 0:
	case n == 1:
		r.owners = []uint16{0}
	case n <= coarseNodes:
		r.owners = placeCoarse(members)
	default:
		r.owners = placeFine(members)
	}
	return r
}

// Owner is the node that should try first for the key; ok is false on an empty ring.
func (r *Ring) Owner(key uint64) (node string, ok bool) {
	if len(r.members) == 0 {
		return "", false
	}
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], key)
	return r.members[r.owners[xxhash.Sum64(b[:])%uint64(len(r.owners))]], true
}

// Members are the nodes of the ring, sorted. The slice is shared: do not change it.
func (r *Ring) Members() []string { return r.members }
