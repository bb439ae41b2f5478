package placement

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"

	"session-manager/bench/measure"
	"session-manager/bench/report"
)

// Placement is the scenario of the ring.
type Placement struct {
	Nodes    int `default:"1000" help:"The largest cluster."`
	Clientes int `default:"10000000" help:"Clientes in it. A tenth of them are placed, too, to see what fewer do to the balance."`
}

// What a short run makes do with.
const (
	quickClientes = 1_000_000
	quickRounds   = 2
)

// stepEvery is how many sizes make a step that is told.
const stepEvery = 6

// Name is the scenario's.
func (*Placement) Name() string { return "placement" }

// About is the scenario in words.
func (*Placement) About() string {
	return "the ring alone, simulated: what a join and a leave move, how even it is, what it costs"
}

// Params are the flags.
func (p *Placement) Params() map[string]string {
	return map[string]string{"nodes": strconv.Itoa(p.Nodes), "clientes": strconv.Itoa(p.Clientes)}
}

// Run measures clusters of other names in each round: what holds for one list of names need not
// hold for another.
func (p *Placement) Run(ctx context.Context, env measure.Env, into *report.Scenario) error {
	clientes, rounds := p.Clientes, max(env.Rounds, 1)
	if env.Quick {
		clientes, rounds = min(clientes, quickClientes), min(rounds, quickRounds)
	}
	sizes := sizes(p.Nodes)
	rng := rand.New(rand.NewPCG(env.Seed, 0))
	all := result{sizes: sizes, clientes: clientes}
	for round := range rounds {
		names := hosts(rng, p.Nodes+1)
		placed := newClientes(clientes, names)
		var looks []look
		for i, n := range sizes {
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			if i%stepEvery == 0 {
				env.Step(round*len(sizes)+i, rounds*len(sizes), fmt.Sprintf("%s on %d nodes and more", millions(clientes), n))
			}
			looks = append(looks, placed.look(n, names, rng))
		}
		all.looks = append(all.looks, looks)
		all.costs = append(all.costs, costsOf(names, sizes))
	}
	all.tell(into)
	return nil
}

// sizes are cluster sizes that look evenly spaced on a logarithmic axis, up to most.
func sizes(most int) []int {
	var all []int
	for decade := 1; decade <= most; decade *= 10 {
		for _, tenths := range []int{10, 20, 30, 50, 70} {
			// Two neighbours each: what is cut into whole parts may jump from one size to the next.
			for _, n := range []int{decade*tenths/10 - 1, decade * tenths / 10} {
				if n >= 1 && n <= most {
					all = append(all, n)
				}
			}
		}
	}
	all = append(all, most)
	slices.Sort(all)
	return slices.Compact(all)
}

// hosts are names as machines have them: some words, a number, and something random.
func hosts(rng *rand.Rand, n int) []string {
	kind := []string{"node-%d", "ip-10-%d", "wa-%d.internal", "session-manager-%d"}[rng.IntN(4)]
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf(kind+"-%05x", i+1, rng.IntN(1<<20))
	}
	return names
}
