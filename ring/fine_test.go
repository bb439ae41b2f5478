package ring

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// ownStarts are those of so many partitions, each at its own place.
func ownStarts(partitions int) []uint64 {
	starts := make([]uint64, partitions)
	for p := range starts {
		starts[p] = startOfPartition(p)
	}
	return starts
}

// What a circle places is what package consistent places, whoever the members are.
func TestCircleIsConsistent(t *testing.T) {
	same := func(t rapid.TB, members []string, partitions int) {
		got := newCircle(members).place(ownStarts(partitions), limit(partitions, len(members)))
		if !slices.Equal(got, placeConsistent(members, partitions)) {
			t.Errorf("%d partitions of %d members %q are placed differently", partitions, len(members), members)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		members := rapid.SliceOfNDistinct(rapid.StringN(0, 20, -1), 1, 20, rapid.ID[string]).Draw(t, "members")
		slices.Sort(members)
		same(t, members, rapid.SampledFrom([]int{1, 271, coarse}).Draw(t, "partitions"))
	})
	for _, n := range []int{40, 100} {
		members := names(n)
		slices.Sort(members)
		same(t, members, coarse)
		same(t, members, fine)
	}
}

// Between the sizes at which the placement is consistent's, each fine partition goes from the
// place of its coarse one to its own, and not too many at the same join.
func TestFinePartitionsLeaveTheirCoarseOnesOneByOne(t *testing.T) {
	leave := make(map[int]int)
	for q := range fine {
		own := startOfPartition(q)
		n := leavesAt(own)
		leave[n]++
		if n < coarseNodes || n >= fineNodes || startOf(q, n) != startOfPartition(q%coarse) || startOf(q, n+1) != own {
			t.Fatalf("partition %d leaves at %d nodes, or not", q, n)
		}
	}
	for n, left := range leave {
		// A join should take 1/n of all.
		if share := float64(left) / fine * float64(n); share > 0.7 {
			t.Errorf("with node %d as much as %.2f of its share leaves", n+1, share)
		}
	}
}
