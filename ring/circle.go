package ring

import (
	"cmp"
	"slices"
	"sort"
	"strconv"

	"github.com/cespare/xxhash/v2"
)

// circle is the virtual nodes of all members, by their hashes.
type circle struct {
	points  []point // sorted
	members int
}

type point struct {
	hash   uint64
	member uint16
}

// newCircle names virtual nodes as package consistent does: "index:member".
func newCircle(members []string) *circle {
	c := &circle{points: make([]point, 0, len(members)*virtualNodes), members: len(members)}
	var key []byte
	for i, name := range members {
		for v := range virtualNodes {
			key = append(append(strconv.AppendInt(key[:0], int64(v), 10), ':'), name...)
			c.points = append(c.points, point{xxhash.Sum64(key), uint16(i)})
		}
	}
	slices.SortFunc(c.points, func(a, b point) int {
		if a.hash == b.hash {
			return int(a.member) - int(b.member)
		}
		return cmp.Compare(a.hash, b.hash)
	})
	return c
}

// place gives each partition, in their order, to the first member at or after its start that has
// less than limit of them. There must be room for all.
func (c *circle) place(starts []uint64, limit int) []uint16 {
	owners := make([]uint16, len(starts))
	loads := make([]int, c.members)
	for p, start := range starts {
		at := c.search(start)
		for loads[c.points[at].member] == limit {
			at = (at + 1) % len(c.points)
		}
		owners[p] = c.points[at].member
		loads[owners[p]]++
	}
	return owners
}

// search is the index of the first point at or after a hash.
func (c *circle) search(hash uint64) int {
	return sort.Search(len(c.points), func(i int) bool { return c.points[i].hash >= hash }) % len(c.points)
}
