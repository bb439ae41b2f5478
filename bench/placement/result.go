package placement

import (
	"fmt"
	"slices"

	"session-manager/bench/report"
)

// The bars, of the largest cluster.
const (
	buildBar  = 50.0  // ms
	lookupBar = 100.0 // ns
)

// result is what all rounds showed.
type result struct {
	sizes    []int
	clientes int
	looks    [][]look // by round and size
	costs    []costs  // by round
}

func (r result) tell(into *report.Scenario) {
	largest := r.sizes[len(r.sizes)-1]
	var build, lookup, allocations []float64
	for _, c := range r.costs {
		build = append(build, c.build[len(c.build)-1])
		lookup = append(lookup, c.lookup)
		allocations = append(allocations, c.allocations)
	}
	into.AtMost(buildBar, fmt.Sprintf("rebuild, %d nodes", largest), "ms", build...)
	into.AtMost(lookupBar, fmt.Sprintf("look-up, %d nodes", largest), "ns", lookup...)
	into.AtMost(0, fmt.Sprintf("allocations of a look-up, %d nodes", largest), "", allocations...)

	join := func(l look) float64 { return l.join }
	leave := func(l look) float64 { return l.leave }
	fullest := func(l look) float64 { return l.fullest }
	few := func(l look) float64 { return l.few }
	emptiest := func(l look) float64 { return l.emptiest }
	middle := func(all []float64) float64 { return slices.Sorted(slices.Values(all))[len(all)/2] }
	into.Tell("a join moves, of its ideal share: median of the sizes", "x", r.over(join, middle)...)
	into.Tell("a join moves, of its ideal share: most of the sizes", "x", r.over(join, slices.Max[[]float64])...)
	into.Tell("a leave moves, of its ideal share: median of the sizes", "x", r.over(leave, middle)...)
	into.Tell("a leave moves, of its ideal share: most of the sizes", "x", r.over(leave, slices.Max[[]float64])...)
	into.Tell(fmt.Sprintf("fullest node, of the mean, %s: most of the sizes", millions(r.clientes)), "x", r.over(fullest, slices.Max[[]float64])...)
	into.Tell(fmt.Sprintf("fullest node, of the mean, %s: most of the sizes", millions(r.clientes/10)), "x", r.over(few, slices.Max[[]float64])...)
	into.Tell(fmt.Sprintf("emptiest node, of the mean, %s: least of the sizes", millions(r.clientes)), "x", r.over(emptiest, slices.Min[[]float64])...)

	ideal, bound, limit := 1.0, 1.25, buildBar
	nodes := "nodes"
	into.Plots = append(into.Plots,
		report.Plot{File: "placement-moved.svg", Title: "Moved by one node more or less", X: nodes, Y: "of the ideal share", LogX: true, Line: &ideal,
			Series: []report.Series{r.series("join", join), r.series("leave", leave)}},
		report.Plot{File: "placement-balance.svg", Title: "Clientes of a node", X: nodes, Y: "of the mean", LogX: true, Line: &bound,
			Series: []report.Series{r.series("fullest, "+millions(r.clientes), fullest), r.series("fullest, "+millions(r.clientes/10), few),
				r.series("emptiest, "+millions(r.clientes), emptiest)}},
		report.Plot{File: "placement-rebuild.svg", Title: "Rebuild of the ring", X: nodes, Y: "ms", LogX: true, Line: &limit,
			Series: []report.Series{r.rebuilds()}})
	into.Notes = append(into.Notes,
		"Nodes have other names in each round. The ideal share is what one node has in the larger cluster of the two.",
		"Nobody moves because the ring does: a cliente stays with its owner until the rebalancer has its turn, a few a second.")
}

// over makes one number of the sizes, in each round.
func (r result) over(of func(look) float64, sum func([]float64) float64) (rounds []float64) {
	for _, looks := range r.looks {
		var all []float64
		for _, l := range looks {
			all = append(all, of(l))
		}
		rounds = append(rounds, sum(all))
	}
	return rounds
}

// series is the median of the rounds for each size.
func (r result) series(name string, of func(look) float64) report.Series {
	s := report.Series{Name: name}
	for i, n := range r.sizes {
		var rounds []float64
		for _, looks := range r.looks {
			rounds = append(rounds, of(looks[i]))
		}
		s.X, s.Y = append(s.X, float64(n)), append(s.Y, report.Figure{Values: rounds}.Median())
	}
	return s
}

func (r result) rebuilds() report.Series {
	s := report.Series{Name: "ring.New"}
	for i, n := range r.sizes {
		var rounds []float64
		for _, c := range r.costs {
			rounds = append(rounds, c.build[i])
		}
		s.X, s.Y = append(s.X, float64(n)), append(s.Y, report.Figure{Values: rounds}.Median())
	}
	return s
}

func millions(clientes int) string {
	return fmt.Sprintf("%.3g million clientes", float64(clientes)/1e6)
}
