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
		list := names(rapid.IntRange(1, 12).Draw(t, "nodes"))
		shuffled := append(slices.Clone(list), list[0])
		seed := rapid.Uint64().Draw(t, "seed")
		rand.New(rand.NewPCG(seed, 1)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		a, b := New(list), New(shuffled)
		if !slices.Equal(a.Members(), b.Members()) || a.owners != b.owners {
			t.Fatalf("%v and %v place differently", list, shuffled)
		}
	})
}

// No node has more than the load factor allows, in partitions.
func TestBalance(t *testing.T) {
	for _, n := range []int{2, 3, 8, 50, 120} {
		counts := make([]int, n)
		for _, owner := range New(names(n)).owners {
			counts[owner]++
		}
		limit := int(float64(partitions)/float64(n)*load) + 1
		if most := slices.Max(counts); most > limit {
			t.Errorf("%d nodes: one has %d partitions, at most %d are allowed", n, most, limit)
		}
	}
}

// A join takes about its share, and what moves between old nodes stays small.
func TestJoinMovesItsShare(t *testing.T) {
	for _, n := range []int{2, 3, 5, 10, 30} {
		before, after := New(names(n)), New(names(n+1))
		const keys = 50_000
		moved := 0
		for key := range uint64(keys) {
			a, _ := before.Owner(key)
			b, _ := after.Owner(key)
			if a != b {
				moved++
			}
		}
		ideal := float64(keys) / float64(n+1)
		if ratio := float64(moved) / ideal; ratio > 1.5 || ratio < 0.7 {
			t.Errorf("from %d nodes to %d: %.2f of the ideal share moved", n, n+1, ratio)
		}
	}
}

func TestLookupAllocatesNothing(t *testing.T) {
	r := New(names(10))
	key := uint64(0)
	if n := testing.AllocsPerRun(1000, func() { key++; r.Owner(key) }); n != 0 {
		t.Errorf("%v allocations a lookup", n)
	}
}

func BenchmarkLookup(b *testing.B) {
	r := New(names(100))
	for i := range b.N {
		r.Owner(uint64(i))
	}
}

func BenchmarkRebuild100(b *testing.B) {
	list := names(100)
	for b.Loop() {
		New(list)
	}
}
