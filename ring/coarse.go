package ring

import (
	"github.com/buraksezer/consistent"
	"github.com/cespare/xxhash/v2"
)

const (
	coarse      = 4093 // partitions (a prime) of a cluster of up to
	coarseNodes = 40   // nodes
)

type member string

func (m member) String() string { return string(m) }

type hasher struct{}

func (hasher) Sum64(b []byte) uint64 { return xxhash.Sum64(b) }

// placeCoarse has package consistent place the coarse partitions. It sorts all virtual nodes anew
// for each member: 5 ms for 40 of them, 4 s for 1,000.
func placeCoarse(members []string) []uint16 { return placeConsistent(members, coarse) }

func placeConsistent(names []string, partitions int) []uint16 {
	members := make([]consistent.Member, len(names))
	index := make(map[string]uint16, len(names))
	for i, name := range names {
		members[i] = member(name)
		index[name] = uint16(i)
	}
	c := consistent.New(members, consistent.Config{
		Hasher: hasher{}, PartitionCount: partitions, ReplicationFactor: virtualNodes, Load: load,
	})
	owners := make([]uint16, partitions)
	for p := range owners {
		owners[p] = index[c.GetPartitionOwner(p).String()]
	}
	return owners
}
