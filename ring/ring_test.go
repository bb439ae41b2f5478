package ring

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func names(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("node%d", i+1)
	}
	return list
}

func TestEmptyRing(t *testing.T) {
	for _, nodes := range [][]string{nil, {}} {
		if node, ok := New(nodes).Owner(5); ok {
			t.Errorf("nobody is there, yet %q should try", node)
		}
	}
}

func TestOneNodeGetsAll(t *testing.T) {
	r := New([]string{"only"})
	for key := range uint64(1000) {
		if node, ok := r.Owner(key); !ok || node != "only" {
			t.Fatalf("key %d: %q, %v", key, node, ok)
		}
	}
}

// The same members, in any order and repeated, give the same placement on every node.
func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := names(rapid.SampledFrom([]int{1, 2, 3, 5, 12, coarseNodes + 1}).Draw(t, "nodes"))
		shuffled := append(slices.Clone(list), list[0])
		seed := rapid.Uint64().Draw(t, "seed")
		rand.New(rand.NewPCG(seed, 1)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		a, b := New(list), New(shuffled)
		if !slices.Equal(a.Members(), b.Members()) || !slices.Equal(a.owners, b.owners) {
			t.Fatalf("%v and %v place differently", list, shuffled)
		}
	})
}

// No node has more than the load factor allows, in partitions.
func TestBalance(t *testing.T) {
	for _, n := range []int{2, 3, 8, 40, 41, 120, 400, 1000} {
		counts := make([]int, n)
		owners := New(names(n)).owners
		for _, owner := range owners {
			counts[owner]++
		}
		if most, allowed := slices.Max(counts), limit(len(owners), n); most > allowed {
			t.Errorf("%d nodes: one has %d partitions, at most %d are allowed", n, most, allowed)
		}
		if mean := float64(len(owners)) / float64(n); n > coarseNodes && float64(slices.Min(counts)) < 0.4*mean {
			t.Errorf("%d nodes: one has %d partitions of %.0f in the mean", n, slices.Min(counts), mean)
		}
	}
}

// A join takes about its share, and what moves between old nodes stays small. Where partitions
// become finer is no exception.
func TestJoinMovesItsShare(t *testing.T) {
	for _, n := range []int{2, 3, 5, 10, 30, 39, 40, 41, 160, 568, 640, 852} {
		before, after := New(names(n)), New(names(n+1))
		moved := 0
		for q := range fine {
			if before.members[before.owners[q%len(before.owners)]] != after.members[after.owners[q%len(after.owners)]] {
				moved++
			}
		}
		ideal := float64(fine) / float64(n+1)
		if ratio := float64(moved) / ideal; ratio > 2.2 || ratio < 0.6 {
			t.Errorf("from %d nodes to %d: %.2f of the ideal share moved", n, n+1, ratio)
		}
	}
}

func TestLookupAllocatesNothing(t *testing.T) {
	for _, nodes := range []int{1, 10, 1000} {
		r := New(names(nodes))
		key := uint64(0)
		if n := testing.AllocsPerRun(1000, func() { key++; r.Owner(key) }); n != 0 {
			t.Errorf("%d nodes: %v allocations a lookup", nodes, n)
		}
	}
}
