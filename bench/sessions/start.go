package sessions

import (
	"context"
	"fmt"
	"strings"
	"time"

	"session-manager/bench/cluster"
	"session-manager/bench/measure"
	"session-manager/bench/report"
	"session-manager/node/ownership"
)

// Bars of issue 4.
const (
	barRestart = 1.5  // × bare whatsmeow's time
	barPairing = 0.25 // × bare whatsmeow's CPU
)

// Start measures how sessions begin: one that a request asks for, all of a node that was
// restarted, and those of clientes that are paired for the first time.
type Start struct {
	Stores   []string `default:"sqlite,postgres" help:"Kinds of store."`
	Sessions int      `default:"1000" help:"Paired sessions of the node that is restarted."`
	Lazy     int      `default:"20" help:"Sessions started one by one by a request, in a round."`
	Pairings int      `default:"10" help:"First pairings in a round, one after the other, with all 812 prekeys. 0: none."`
}

// Name is start.
func (s *Start) Name() string { return "start" }

// About says what it measures.
func (s *Start) About() string {
	return "Sessions of a restarted node until all are READY, one that a request starts, and a first pairing, against bare whatsmeow."
}

// Params are its sizes.
func (s *Start) Params() map[string]string {
	return map[string]string{"stores": strings.Join(s.Stores, ","), "sessions": fmt.Sprint(s.Sessions), "lazy": fmt.Sprint(s.Lazy), "pairings": fmt.Sprint(s.Pairings)}
}

// Run measures.
func (s *Start) Run(ctx context.Context, env measure.Env, into *report.Scenario) error {
	o := *s
	if env.Quick {
		o.Sessions, o.Lazy, o.Pairings, o.Stores = min(o.Sessions, 100), min(o.Lazy, 5), min(o.Pairings, 2), o.Stores[len(o.Stores)-1:]
	}
	charts := startCharts{
		restart: newChart("start-restart.svg", fmt.Sprintf("From the start of the process until all of %d sessions are READY", o.Sessions), "ms"),
		pairing: newChart("start-pairing.svg", "CPU of a first pairing, the store's included", "ms"),
	}
	for i, store := range o.Stores {
		steps := 2 + 2*env.Rounds
		step := func(n int, what string) { env.Step(i*steps+n, len(o.Stores)*steps, what+" over "+store) }
		if err := o.restarts(ctx, env, store, step, into, charts); err != nil {
			return fmt.Errorf("%s: restart: %w", store, err)
		}
		if o.Pairings == 0 {
			continue
		}
		if err := o.pairings(ctx, env, store, step, into, charts); err != nil {
			return fmt.Errorf("%s: first pairing: %w", store, err)
		}
	}
	charts.restart.draw(into)
	charts.pairing.draw(into)
	into.Notes = append(into.Notes, fmt.Sprintf("Bare whatsmeow logs %d accounts in at once. Both times begin with the start of the process.", loginsAtOnce))
	return nil
}

type startCharts struct{ restart, pairing *chart }

// restarts measures a restart and lazy starts with one kind of store.
func (s *Start) restarts(ctx context.Context, env measure.Env, store string, step func(int, string), into *report.Scenario, charts startCharts) (err error) {
	step(0, fmt.Sprintf("%d accounts", s.Sessions))
	a, err := begin(ctx, env, setup{store: store, nodes: 1})
	if err != nil {
		return err
	}
	defer func() { err = joinClose(err, a) }()
	if err := a.seedClientes(ctx, 1, s.Sessions); err != nil {
		return err
	}
	if err := a.seedRival(ctx, 1, s.Sessions); err != nil {
		return err
	}
	if err := a.ready(ctx, s.Sessions); err != nil {
		return err
	}
	var took, cpu, stored, lazy [2][]float64
	for round := range env.Rounds {
		step(1+round, fmt.Sprintf("restarts and lazy starts, round %d", round+1))
		extra := round * s.Lazy // started lazily in the rounds before: they start with the others now
		err := turns(round,
			func() error { return a.restart(ctx, s.Sessions+extra, &took[0], &cpu[0], &stored[0]) },
			func() error { return a.restartRival(ctx, &took[1], &cpu[1], &stored[1]) })
		if err != nil {
			return err
		}
		for n := range s.Lazy {
			c := ownership.Cliente(s.Sessions + extra + n + 1)
			err := turns(n, func() error { return a.lazy(ctx, c, &lazy[0]) }, func() error { return a.lazyRival(ctx, int(c), &lazy[1]) })
			if err != nil {
				return err
			}
		}
	}
	charts.restart.add(store, took[0], took[1])
	prefix := fmt.Sprintf("%s, %d sessions after a restart: ", store, s.Sessions)
	into.AtMost(barRestart, prefix+"time until all are READY, against bare whatsmeow", "x", ratios(took[0], took[1])...)
	for i, who := range []string{productName, rivalName} {
		into.Tell(prefix+who, "ms", took[i]...)
		into.Tell(prefix+who+", CPU of each", "ms", cpu[i]...)
		if store == cluster.Postgres {
			into.Tell(prefix+who+", Postgres's CPU of each", "ms", stored[i]...)
		}
		if s.Lazy == 0 {
			continue
		}
		into.Tell(fmt.Sprintf("%s, one session by a request: %s, median", store, who), "ms", quantile(lazy[i], 0.5))
		into.Tell(fmt.Sprintf("%s, one session by a request: %s, p99", store, who), "ms", quantile(lazy[i], 0.99))
	}
	if store == cluster.Postgres {
		all := s.Sessions + env.Rounds*s.Lazy
		var none []float64
		counts, err := a.counted(ctx, "session of a restart, its end included", float64(all), into,
			func() error { return a.restart(ctx, all, &none, &none, &none) },
			func() error { return a.restartRival(ctx, &none, &none, &none) })
		if err != nil {
			return err
		}
		tellStatements(into, store+", a restart: ", "session", counts)
	}
	return a.judge(ctx)
}

// restart drains the node, starts it again, and appends the time until so many sessions are READY.
func (a *arena) restart(ctx context.Context, n int, took, cpu, store *[]float64) error {
	if err := a.drain(ctx); err != nil {
		return err
	}
	before, err := a.storeCPU()
	if err != nil {
		return err
	}
	begun := time.Now()
	if err := a.startAgain(ctx); err != nil {
		return err
	}
	if err := a.ready(ctx, n); err != nil {
		return err
	}
	*took = append(*took, ms(time.Since(begun)))
	return a.since(a.node().PID(), before, n, cpu, store)
}

// restartRival does the same with the rival: all that is stored logs in.
func (a *arena) restartRival(ctx context.Context, took, cpu, store *[]float64) (err error) {
	if err := a.rival.stop(ctx); err != nil {
		return err
	}
	before, err := a.storeCPU()
	if err != nil {
		return err
	}
	begun := time.Now()
	if a.rival, err = startRival(ctx, a.env, a.rivalStore, a.EmulatorURL()); err != nil {
		return err
	}
	if err := a.rival.connect(ctx); err != nil {
		return err
	}
	*took = append(*took, ms(time.Since(begun)))
	r, err := a.rival.report(ctx)
	if err != nil {
		return err
	}
	return a.since(a.rival.pid(), before, r.Connected, cpu, store)
}

func (a *arena) storeCPU() (time.Duration, error) {
	if a.server == nil {
		return 0, nil
	}
	return measure.CPU(a.server.PID())
}

// since appends what a process has used since its start, and the store since before, for each of n.
func (a *arena) since(pid int, before time.Duration, n int, cpu, store *[]float64) error {
	own, err := measure.CPU(pid)
	if err != nil {
		return err
	}
	after, err := a.storeCPU()
	*cpu, *store = append(*cpu, ms(own)/float64(n)), append(*store, ms(after-before)/float64(n))
	return err
}

// lazyPoll is between two looks whether a session is READY.
const lazyPoll = 2 * time.Millisecond

// lazy asks for a cliente that is paired and was never started, and appends the time until it is
// READY.
func (a *arena) lazy(ctx context.Context, c ownership.Cliente, took *[]float64) error {
	if err := a.seedClientes(ctx, c, 1); err != nil {
		return err
	}
	begun := time.Now()
	if err := a.awaitReady(ctx, c, lazyPoll); err != nil {
		return err
	}
	*took = append(*took, ms(time.Since(begun)))
	return nil
}

// awaitReady asks, every so often, until a cliente's session is READY.
func (a *arena) awaitReady(ctx context.Context, c ownership.Cliente, every time.Duration) error {
	ctx, cancel := limited(ctx)
	defer cancel()
	for {
		state, err := a.caller().state(c)
		if err != nil || state == "READY" {
			return err
		}
		if err := wait(ctx, every); err != nil {
			return fmt.Errorf("cliente %s is %s: %w", c, state, context.Cause(ctx))
		}
	}
}

func (a *arena) lazyRival(ctx context.Context, n int, took *[]float64) error {
	if err := a.seedRival(ctx, n, 1); err != nil {
		return err
	}
	begun := time.Now()
	if err := a.rival.connect(ctx, rivalNumber(n)); err != nil {
		return err
	}
	*took = append(*took, ms(time.Since(begun)))
	return nil
}
