// Package status measures what a request costs that asks for a session's state: at the node that
// owns it, beside the Express server that the product replaces and a server that does nothing but
// answer; and over one hop, at a node that has to forward it, beside nginx and HAProxy that
// forward to the same node by the same header.
//
// Everything runs on this machine at once and is loaded in turn, several rounds in an order of
// their own each, all started anew for each. What counts is the CPU time of the one process that
// the callers are connected to; the load, and the owner behind a hop, cost the same for all.
package status

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"session-manager/bench/load"
	"session-manager/bench/measure"
	"session-manager/bench/report"
)

// Status is the scenario, with its parameters.
type Status struct {
	Connections int           `default:"32" help:"Kept connections, each of which asks again when it has its answer."`
	For         time.Duration `help:"How long each is loaded in a round. 0: 3s, or 600ms with --quick."`
	Clientes    int           `default:"8" help:"How many clientes are asked for, in turn. One node owns them all."`
	Store       string        `default:"sqlite" enum:"sqlite,postgres" help:"Credential store: ${enum}."`
	Rivals      []string      `default:"express,nginx,haproxy" enum:"express,nginx,haproxy,none" help:"What to compare with, of Debian's: ${enum}."`
}

// Name is what the harness calls it.
func (s *Status) Name() string { return "status" }

// About is the scenario in words.
func (s *Status) About() string {
	return "CPU and latency of `GET /status` of a session that is READY: at its owner, and over one hop."
}

// Params are the flags as they are.
func (s *Status) Params() map[string]string {
	return map[string]string{
		"connections": strconv.Itoa(s.Connections), "for": s.For.String(), "clientes": strconv.Itoa(s.Clientes),
		"store": s.Store, "rivals": strings.Join(s.Rivals, "+"),
	}
}

// Validate checks what the parser cannot.
func (s *Status) Validate() error {
	if s.Connections < 1 || s.Clientes < 1 || s.Clientes > 899 || s.For < 0 {
		return fmt.Errorf("status: %d connections, %d clientes, for %v: want at least 1, 1 to 899, not negative", s.Connections, s.Clientes, s.For)
	}
	return nil
}

// duration is how long each contender is loaded in a round.
func (s *Status) duration(quick bool) time.Duration {
	switch {
	case s.For > 0:
		return s.For
	case quick:
		return 600 * time.Millisecond
	}
	return 3 * time.Second
}

// Run measures.
func (s *Status) Run(ctx context.Context, env measure.Env, into *report.Scenario) (err error) {
	if err := s.Validate(); err != nil {
		return err
	}
	duration := s.duration(env.Quick)
	into.Params["for"] = duration.String()
	var a *arena
	defer func() {
		if a != nil {
			err = a.close(err)
		}
	}()
	done, total := 0, 1
	step := func(what string) {
		env.Step(done, total, what)
		done++
	}
	for round := range env.Rounds {
		// Processes that were started anew cost some percent more or less each time, which is part of
		// the spread. In a hurry one start does.
		if a == nil || !env.Quick {
			step("starting a cluster and its rivals")
			next, err := s.beginAfter(ctx, env, round, a)
			if a = next; err != nil {
				return err
			}
			each := len(a.contenders)
			if total = env.Rounds * (1 + 2*each); env.Quick {
				total = 1 + (1+env.Rounds)*each
			}
			for _, c := range a.contenders {
				step(c.name + " warms up")
				if err := s.load(ctx, a, c, max(c.warmUp, duration/4)); err != nil {
					return fmt.Errorf("%s: %w", c.name, err)
				}
			}
		}
		for _, i := range rand.New(rand.NewPCG(env.Seed, uint64(round))).Perm(len(a.contenders)) {
			c := a.contenders[i]
			step(fmt.Sprintf("round %d of %d: %s", round+1, env.Rounds, c.name))
			if err := s.measure(ctx, a, c, duration); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
		if err := a.still(ctx); err != nil {
			return err
		}
	}
	env.Step(total, total, "done")
	s.tell(a, into)
	return nil
}

// beginAfter begins an arena for the rounds from this one on, in place of the last one, whose samples
// it has. Where it returns an error there is none.
func (s *Status) beginAfter(ctx context.Context, env measure.Env, round int, last *arena) (*arena, error) {
	if last != nil {
		if err := last.close(nil); err != nil {
			return nil, err
		}
	}
	env.Dir = filepath.Join(env.Dir, fmt.Sprint(round))
	if err := os.Mkdir(env.Dir, 0o755); err != nil {
		return nil, err
	}
	a, err := s.begin(ctx, env)
	if err != nil {
		return nil, err
	}
	if last != nil {
		for i, c := range last.contenders {
			a.contenders[i].samples = c.samples
		}
	}
	return a, nil
}

func (s *Status) load(ctx context.Context, a *arena, c *contender, duration time.Duration) error {
	_, err := clean(load.Run(ctx, s.options(a, c, duration)))
	return err
}

func (s *Status) options(a *arena, c *contender, duration time.Duration) load.Options {
	return load.Options{Addresses: []string{c.address}, Connections: s.Connections, For: duration, Next: a.next}
}

// measure loads a contender: for a moment, so that connections are open everywhere, and then for
// the sample.
func (s *Status) measure(ctx context.Context, a *arena, c *contender, duration time.Duration) error {
	if err := s.load(ctx, a, c, duration/8); err != nil {
		return err
	}
	mallocs, err := c.mallocs(ctx)
	if err != nil {
		return err
	}
	before, err := measure.CPU(c.pid)
	if err != nil {
		return err
	}
	r, err := clean(load.Run(ctx, s.options(a, c, duration)))
	if err != nil {
		return err
	}
	after, err := measure.CPU(c.pid)
	if err != nil {
		return err
	}
	mallocs2, err := c.mallocs(ctx)
	if err != nil {
		return err
	}
	requests := float64(r.Good())
	c.samples = append(c.samples, sample{
		perCPU: requests / (after - before).Seconds(), perSecond: r.Rate(), mallocs: (mallocs2 - mallocs) / requests,
		p50: ms(r.Quantile(0.5)), p99: ms(r.Quantile(0.99)),
	})
	return nil
}

// clean makes an answer that was no 2xx an error: nothing is measured by refusals.
func clean(r *load.Result, err error) (*load.Result, error) {
	if err != nil {
		return nil, err
	}
	return r, r.Clean()
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
