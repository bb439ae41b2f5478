package ring

import (
	"encoding/binary"
	"math"

	"github.com/cespare/xxhash/v2"
)

// Coarse partitions do not do for many nodes. A thousand of them have four each, give or take: the
// fullest has 1.46 of the mean and some have none; and where one more node lowers the limit by
// a whole partition, all full nodes lose one: at 852 nodes a join would move 55 times its share.
//
// So a coarse partition is cut into fine ones. If that were done at some number of nodes, the
// join that reaches it would move nearly everything. Instead each fine partition has a number of
// its own, from coarseNodes to fineNodes:
//
//	nodes             | fine partition q starts on the circle
//	------------------|---------------------------------------------------------------
//	up to coarseNodes | where its coarse one does, q % coarse: consistent's placement
//	in between        | there, until its own number of nodes is passed
//	from fineNodes on | at a place of its own: again consistent's, of so many partitions
//
// A join or a leave then moves twice its share at most, half of the sizes 1.2 of it, and no node
// has more than 1.27 of the mean.
const (
	fine      = 16 * coarse
	octaves   = 4
	fineNodes = coarseNodes << octaves
)

// placeFine places fine partitions as package consistent does, but sorts the virtual nodes once.
func placeFine(members []string) []uint16 {
	starts := make([]uint64, fine)
	for q := range starts {
		starts[q] = startOf(q, len(members))
	}
	return newCircle(members).place(starts, limit(fine, len(members)))
}

// startOf is where the search for a fine partition's owner begins in a cluster of so many nodes.
func startOf(q, nodes int) uint64 {
	if own := startOfPartition(q); nodes > leavesAt(own) {
		return own
	}
	return startOfPartition(q % coarse)
}

// leavesAt is the number of nodes up to which the fine partition with that place of its own is at
// that of its coarse one. As many of these numbers lie between 40 and 80 as between 80 and 160,
// and so on, so that each join cuts off about the same part of its share. It is reckoned in
// integers, since every machine must come to the same.
func leavesAt(own uint64) int {
	least := coarseNodes << (own % octaves)
	return least + least*int(own>>8&0xffff)>>16
}

// startOfPartition is where consistent begins to look for a partition's owner.
func startOfPartition(p int) uint64 {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(p))
	return xxhash.Sum64(b[:])
}

// limit is the most partitions that one member may have, as consistent has it.
func limit(partitions, members int) int {
	return int(math.Ceil(float64(partitions) / float64(members) * load))
}
