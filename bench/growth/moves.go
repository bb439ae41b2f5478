package growth

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"session-manager/bench/faults"
	"session-manager/bench/measure"
	"session-manager/bench/report"
)

// Failover measures the death of a node: SIGKILL, by the emulator's clock.
type Failover struct {
	Clientes int `default:"300" help:"Clientes of three nodes; the one with most dies."`
	Rate     int `default:"50" help:"Texts a second meanwhile."`
}

// Name is failover.
func (f *Failover) Name() string { return "failover" }

// About says what it measures.
func (f *Failover) About() string {
	return "A node is killed: how long until its sessions are READY elsewhere, and what senders notice."
}

// Params are its sizes.
func (f *Failover) Params() map[string]string {
	return map[string]string{"clientes": fmt.Sprint(f.Clientes), "rate": fmt.Sprint(f.Rate)}
}

// Run measures.
func (f *Failover) Run(ctx context.Context, env measure.Env, into *report.Scenario) error {
	return run(ctx, env, into, f.Clientes, f.Rate, "kill")
}

// Handoff measures planned moves: all nodes are restarted by SIGTERM, a fourth joins, and an
// operator moves clientes.
type Handoff struct {
	Clientes int `default:"300" help:"Clientes of three nodes."`
	Rate     int `default:"50" help:"Texts a second meanwhile."`
}

// Name is handoff.
func (h *Handoff) Name() string { return "handoff" }

// About says what it measures.
func (h *Handoff) About() string {
	return "Nodes are restarted one after the other, one joins, and an operator moves sessions by hand: the gap of each session that moves, and what senders notice."
}

// Params are its sizes.
func (h *Handoff) Params() map[string]string {
	return map[string]string{"clientes": fmt.Sprint(h.Clientes), "rate": fmt.Sprint(h.Rate)}
}

// Run measures.
func (h *Handoff) Run(ctx context.Context, env measure.Env, into *report.Scenario) error {
	return run(ctx, env, into, h.Clientes, h.Rate, "move", "rolling", "join")
}

const (
	quickClientes = 12
	mostRounds    = 2 // each is a whole cluster, paired anew
)

// told are the beginnings of the figures that the report takes over.
var told = []string{"READY elsewhere", "login elsewhere", "gap", "share", "failed requests", "send wait p99", "send wait max", "lost", "doubled", "forks", "overlaps"}

// run runs fault scenarios and tells of them, a value a round.
func run(ctx context.Context, env measure.Env, into *report.Scenario, clientes, rate int, names ...string) error {
	rounds := min(env.Rounds, mostRounds)
	if env.Quick {
		clientes, rounds, names = min(clientes, quickClientes), 1, names[:1]
	}
	for i, name := range names {
		var figures []report.Figure
		for round := range rounds {
			env.Step(i*rounds+round, len(names)*rounds, name)
			r := faults.Measure(ctx, name, faults.Options{
				BinDir: env.BinDir, Dir: filepath.Join(env.Dir, fmt.Sprintf("%s%d", name, round)), Clientes: clientes, Rate: rate, Seed: env.Seed})
			if r.Err != "" {
				return errors.New(r.Err)
			}
			for _, f := range r.Figures {
				figures = add(figures, name, f)
			}
		}
		into.Figures = append(into.Figures, figures...)
	}
	into.Plots = append(into.Plots, gaps(into, names))
	return nil
}

// gaps draws how long sessions were away in each scenario.
func gaps(s *report.Scenario, names []string) report.Plot {
	p := report.Plot{File: s.Name + "-gaps.svg", Title: "Without a session, by the emulator's clock", Y: "ms", Bars: true, Labels: names}
	for _, q := range []string{"median", "p99"} {
		series := report.Series{Name: q}
		for _, name := range names {
			y := 0.0
			for _, f := range s.Figures {
				if f.Name == name+": gap "+q || f.Name == name+": login elsewhere "+q {
					y = f.Median()
				}
			}
			series.Y = append(series.Y, y)
		}
		p.Series = append(p.Series, series)
	}
	return p
}

// add adds the value of one round.
func add(figures []report.Figure, scenario string, f faults.Figure) []report.Figure {
	v := float64(f.Value)
	if math.IsNaN(v) || !slices.ContainsFunc(told, func(t string) bool { return strings.HasPrefix(f.Name, t) }) {
		return figures
	}
	name := scenario + ": " + f.Name
	at := slices.IndexFunc(figures, func(have report.Figure) bool { return have.Name == name })
	if at < 0 {
		at = len(figures)
		figures = append(figures, report.Figure{Name: name, Unit: f.Unit})
		if f.Bar != nil {
			figures[at].Bar = &report.Bar{Value: *f.Bar}
		}
	}
	figures[at].Values = append(figures[at].Values, v)
	return figures
}
