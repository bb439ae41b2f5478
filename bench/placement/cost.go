package placement

import (
	"slices"
	"testing"
	"time"

	"session-manager/ring"
)

const (
	builds  = 5         // of a ring, of which the median counts: others use the machine, too
	lookups = 2_000_000 // timed together
)

// costs are what rings cost to build, by their sizes, and what the last and largest costs to ask.
type costs struct {
	build       []float64 // ms
	lookup      float64   // ns
	allocations float64   // of a look-up
}

func costsOf(names []string, sizes []int) (c costs) {
	var r *ring.Ring
	for _, n := range sizes {
		var took []time.Duration
		for range builds {
			begun := time.Now()
			r = ring.New(names[:n])
			took = append(took, time.Since(begun))
		}
		slices.Sort(took)
		c.build = append(c.build, took[builds/2].Seconds()*1e3)
	}
	var cliente uint64
	ask := func() {
		cliente++
		_, _ = r.Owner(cliente) // there is a node
	}
	begun := time.Now()
	for range lookups {
		ask()
	}
	c.lookup = float64(time.Since(begun).Nanoseconds()) / lookups
	c.allocations = testing.AllocsPerRun(1000, ask)
	return c
}
