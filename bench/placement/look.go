package placement

import (
	"math/rand/v2"
	"slices"

	"session-manager/ring"
)

// look is what one cluster size showed.
type look struct {
	join, leave float64 // of the ideal share that moved with one node more, and with one less
	fullest     float64 // of the mean that the fullest node has
	few         float64 // the same with a tenth of the clientes
	emptiest    float64 // of the mean
}

// clientes are those that are placed, with the numbers of their nodes before and after a change.
type clientes struct {
	before, after []uint16
	number        map[string]uint16
}

func newClientes(n int, names []string) *clientes {
	c := &clientes{before: make([]uint16, n), after: make([]uint16, n), number: make(map[string]uint16)}
	for i, name := range names {
		c.number[name] = uint16(i)
	}
	return c
}

// look places all clientes on the first n nodes of names, on one more and on one less.
func (c *clientes) look(n int, names []string, rng *rand.Rand) look {
	c.place(names[:n], c.before)
	l := look{leave: 1} // the last one's: all it had, to nobody
	l.fullest, l.emptiest = balance(c.before, n)
	l.few, _ = balance(c.before[:len(c.before)/10], n)
	c.place(names[:n+1], c.after)
	l.join = c.moved() * float64(n+1)
	if n > 1 {
		leaver := rng.IntN(n)
		c.place(slices.Delete(slices.Clone(names[:n]), leaver, leaver+1), c.after)
		l.leave = c.moved() * float64(n)
	}
	return l
}

// place says who has each cliente.
func (c *clientes) place(names []string, into []uint16) {
	r := ring.New(names)
	for cliente := range into {
		owner, _ := r.Owner(uint64(cliente) + 1) // there is a node
		into[cliente] = c.number[owner]
	}
}

// moved is the part of all clientes whose node is another one after the change.
func (c *clientes) moved() float64 {
	moved := 0
	for i, owner := range c.before {
		if c.after[i] != owner {
			moved++
		}
	}
	return float64(moved) / float64(len(c.before))
}

// balance is what the fullest and the emptiest of n nodes have of the mean.
func balance(owners []uint16, n int) (most, least float64) {
	counts := make([]int, n)
	for _, owner := range owners {
		counts[owner]++
	}
	mean := float64(len(owners)) / float64(n)
	return float64(slices.Max(counts)) / mean, float64(slices.Min(counts)) / mean
}
