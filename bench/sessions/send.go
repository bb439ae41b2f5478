package sessions

import (
	"context"
	"fmt"
	"strings"

	"session-manager/bench/cluster"
	"session-manager/bench/measure"
	"session-manager/bench/report"
)

// Bars of issue 4.
const (
	barSendPostgres = 1.8 // × bare whatsmeow's texts a second, 100 clientes
	barSendSQLite   = 1.5
	barStatements   = 3 // of the store, per text
	barHop          = 1 // ms that a hop adds to the p99 of /send
)

// Send measures texts a second: of one cliente and of many at once, over both stores, against
// bare whatsmeow; what the store is asked per text; and what a hop adds.
type Send struct {
	Stores   []string `default:"sqlite,postgres" help:"Kinds of store."`
	Clientes int      `default:"100" help:"How many send at once; one alone is measured besides."`
	Each     int      `default:"40" help:"Texts that each of them sends in a round."`
	Alone    int      `default:"400" help:"Texts that the one alone sends in a round."`
	AtHand   bool     `help:"Have the phones decrypt while texts are timed, not after."`
	Hops     int      `default:"600" help:"Pairs of texts in a round, sent at the owner and through another node; with Postgres only. 0: none."`
}

// Name is send.
func (s *Send) Name() string { return "send" }

// About says what it measures.
func (s *Send) About() string {
	return "Texts a second through POST /send, with idempotency keys and fence, against bare whatsmeow without either; statements per text; what a hop adds."
}

// Params are its sizes.
func (s *Send) Params() map[string]string {
	return map[string]string{"stores": strings.Join(s.Stores, ","), "clientes": fmt.Sprint(s.Clientes), "each": fmt.Sprint(s.Each),
		"alone": fmt.Sprint(s.Alone), "at-hand": fmt.Sprint(s.AtHand), "hops": fmt.Sprint(s.Hops)}
}

// Run measures.
func (s *Send) Run(ctx context.Context, env measure.Env, into *report.Scenario) error {
	o := *s
	if env.Quick {
		o.Clientes, o.Each, o.Alone, o.Hops = min(o.Clientes, 100), min(o.Each, 6), min(o.Alone, 40), min(o.Hops, 60)
	}
	charts := sendCharts{
		rate: newChart("send-rate.svg", "Texts a second, by how many send at once", "texts / s"),
		cpu:  newChart("send-cpu.svg", "CPU per text, the store's included", "ms"),
	}
	for i, store := range o.Stores {
		env.Step(i*(env.Rounds+2), len(o.Stores)*(env.Rounds+2), "accounts over "+store)
		if err := o.over(ctx, env, store, i, into, charts); err != nil {
			return fmt.Errorf("%s: %w", store, err)
		}
	}
	charts.rate.draw(into)
	charts.cpu.draw(into)
	if !o.AtHand {
		into.Notes = append(into.Notes, "Phones are away while texts are timed: they decrypt and acknowledge them afterwards, since the emulator's cost is not to be counted and it shares the machine. What is left of it, and the callers, still take their part of both rates, so that the ratio of rates understates the difference; CPU per text does not.")
	}
	return nil
}

type sendCharts struct{ rate, cpu *chart }

// over measures with one kind of store.
func (s *Send) over(ctx context.Context, env measure.Env, store string, nth int, into *report.Scenario, charts sendCharts) (err error) {
	a, err := begin(ctx, env, setup{store: store, nodes: 1})
	if err != nil {
		return err
	}
	defer func() { err = joinClose(err, a) }()
	w, err := a.writers(ctx, s.Clientes)
	if err != nil {
		return err
	}
	w.atHand = s.AtHand
	total := len(s.Stores) * (env.Rounds + 2)
	var alone, many [2]side // product, rival
	for round := range env.Rounds {
		env.Step(nth*(env.Rounds+2)+1+round, total, fmt.Sprintf("texts over %s, round %d", store, round+1))
		for _, size := range []struct {
			clientes, each int
			into           *[2]side
		}{{1, s.Alone, &alone}, {s.Clientes, s.Each, &many}} {
			err := turns(round,
				func() error { return w.product(ctx, size.clientes, size.each, &size.into[0]) },
				func() error { return w.rival(ctx, size.clientes, size.each, &size.into[1]) })
			if err != nil {
				return err
			}
		}
	}
	charts.tell(into, store, 1, alone)
	charts.tell(into, store, s.Clientes, many)
	env.Step(nth*(env.Rounds+2)+1+env.Rounds, total, "statements and hops over "+store)
	if store == cluster.Postgres {
		if err := w.statements(ctx, into); err != nil {
			return err
		}
		if s.Hops > 0 {
			if err := w.hops(ctx, s.Hops, into); err != nil {
				return err
			}
		}
	}
	return a.judge(ctx)
}

func joinClose(err error, a *arena) error {
	if closing := a.close(); err == nil {
		return closing
	}
	return err
}

// tell tells what so many clientes at once came to.
func (c sendCharts) tell(into *report.Scenario, store string, clientes int, both [2]side) {
	label := fmt.Sprintf("%s, %d at once", store, clientes)
	c.rate.add(label, both[0].rate, both[1].rate)
	c.cpu.add(label, sums(both[0]), sums(both[1]))
	prefix := label + ": "
	ratio := ratios(both[0].rate, both[1].rate)
	name := prefix + "texts a second, against bare whatsmeow"
	switch {
	case clientes < 100:
		into.Tell(name, "x", ratio...)
	case store == cluster.Postgres:
		into.AtLeast(barSendPostgres, name, "x", ratio...)
	default:
		into.AtLeast(barSendSQLite, name, "x", ratio...)
	}
	into.Tell(prefix+"CPU per text with the store's, against bare whatsmeow", "x", ratios(sums(both[0]), sums(both[1]))...)
	for i, who := range []string{productName, rivalName} {
		s := both[i]
		into.Tell(prefix+who+", texts a second", "1/s", s.rate...)
		into.Tell(prefix+who+", median", "ms", s.median...)
		into.Tell(prefix+who+", p99", "ms", s.p99...)
		into.Tell(prefix+who+", CPU per text", "ms", s.cpu...)
		if store == cluster.Postgres {
			into.Tell(prefix+who+", Postgres's CPU per text", "ms", s.store...)
		}
	}
}

// sums are the CPU of a side, with its store's.
func sums(s side) []float64 {
	out := make([]float64, len(s.cpu))
	for i := range out {
		out[i] = s.cpu[i] + s.store[i]
	}
	return out
}
