package sessions

import (
	"context"
	"fmt"
	"time"

	"session-manager/bench/cluster"
	"session-manager/bench/measure"
	"session-manager/bench/report"
	"session-manager/node/ownership"
)

// pairings measures what a first pairing costs, from the request for a code to READY with all
// prekeys uploaded, one after the other.
func (s *Start) pairings(ctx context.Context, env measure.Env, store string, step func(int, string), into *report.Scenario, charts startCharts) (err error) {
	step(1+env.Rounds, "a store for pairings")
	a, err := begin(ctx, env, setup{store: store, nodes: 1, allPrekeys: true})
	if err != nil {
		return err
	}
	defer func() { err = joinClose(err, a) }()
	var cpu, stored, took [2][]float64
	pair := func(side, pid int, first int, one func(n int) error) error {
		begun := time.Now()
		own, ofStore, err := spent([]int{pid}, a.postgres(), func() error {
			for n := range s.Pairings {
				if err := one(first + n); err != nil {
					return err
				}
			}
			return nil
		})
		per := float64(s.Pairings)
		cpu[side], stored[side] = append(cpu[side], own/per), append(stored[side], ofStore/per)
		took[side] = append(took[side], ms(time.Since(begun))/per)
		return err
	}
	for round := range env.Rounds {
		step(2+env.Rounds+round, fmt.Sprintf("first pairings, round %d", round+1))
		first := 1 + round*s.Pairings
		err := turns(round,
			func() error {
				return pair(0, a.node().PID(), first, func(n int) error { return a.pairCliente(ctx, ownership.Cliente(n)) })
			},
			func() error {
				return pair(1, a.rival.pid(), first, func(n int) error { return a.rival.pair(ctx, []string{rivalNumber(n)}, 1) })
			})
		if err != nil {
			return err
		}
	}
	product, bare := sums(side{cpu: cpu[0], store: stored[0]}), sums(side{cpu: cpu[1], store: stored[1]})
	charts.pairing.add(store, product, bare)
	prefix := store + ", a first pairing: "
	into.AtMost(barPairing, prefix+"CPU with the store's, against bare whatsmeow", "x", ratios(product, bare)...)
	for i, who := range []string{productName, rivalName} {
		into.Tell(prefix+who+", CPU", "ms", cpu[i]...)
		if store == cluster.Postgres {
			into.Tell(prefix+who+", Postgres's CPU", "ms", stored[i]...)
		}
		into.Tell(prefix+who+", time", "ms", took[i]...)
	}
	return a.judge(ctx)
}

// pairCliente pairs as a user does, by the picture of the code.
func (a *arena) pairCliente(ctx context.Context, c ownership.Cliente) error {
	ctx, cancel := limited(ctx)
	defer cancel()
	number := productNumber(c)
	if _, err := a.Emulator.AddPhone(ctx, number, "Cliente "+c.String()); err != nil {
		return err
	}
	picture := a.caller().code(c)
	for ; picture == ""; picture = a.caller().code(c) {
		if err := wait(ctx, pollEvery); err != nil {
			return fmt.Errorf("no QR code: %w", context.Cause(ctx))
		}
	}
	if _, err := a.Emulator.Scan(ctx, number, picture); err != nil {
		return err
	}
	return a.awaitReady(ctx, c, pollEvery)
}
