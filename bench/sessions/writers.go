package sessions

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"session-manager/bench/emulator"
	"session-manager/bench/floor"
	"session-manager/node/ownership"
)

// writers are accounts of both sides that know whom they write to.
type writers struct {
	*arena
	n       int
	friends []string
	batch   int  // of texts, so that no two have one key
	atHand  bool // phones decrypt while texts are timed
}

const friends = 16 // phones that are written to: one alone would be the bottleneck

// writers seeds and connects n accounts on each side, and has each write once: what a first text
// costs more is no part of what is measured.
func (a *arena) writers(ctx context.Context, n int) (*writers, error) {
	numbers, err := a.addFriends(ctx, friends)
	if err != nil {
		return nil, err
	}
	if err := a.seedClientes(ctx, 1, n); err != nil {
		return nil, err
	}
	if err := a.seedRival(ctx, 1, n); err != nil {
		return nil, err
	}
	if err := a.rival.connect(ctx); err != nil {
		return nil, err
	}
	if err := a.ready(ctx, n); err != nil {
		return nil, err
	}
	w := &writers{arena: a, n: n, friends: numbers}
	var none side
	if err := w.product(ctx, n, 2, &none); err != nil {
		return nil, err
	}
	return w, w.rival(ctx, n, 2, &none)
}

// product has clientes send, each its texts one after the other, and appends what came of it.
func (w *writers) product(ctx context.Context, clientes, each int, into *side) error {
	w.batch++
	waits := make([]float64, clientes*each)
	var took time.Duration
	cpu, store, err := w.spent(ctx, w.node().PID(), func() error {
		begun := time.Now()
		defer func() { took = time.Since(begun) }()
		g, ctx := errgroup.WithContext(ctx)
		for i := range clientes {
			g.Go(func() error {
				for n := range each {
					wait, err := w.text(ctx, w.caller(), i, n)
					if err != nil {
						return err
					}
					waits[i*each+n] = ms(wait)
				}
				return nil
			})
		}
		return g.Wait()
	})
	if err != nil {
		return err
	}
	into.add(waits, took.Seconds(), cpu, store)
	return nil
}

// spent runs work with the phones away, and returns the CPU that a process and Postgres have used
// meanwhile. It returns when the phones have caught up.
func (w *writers) spent(ctx context.Context, pid int, work func() error) (ownMS, storeMS float64, err error) {
	if w.atHand {
		return spent([]int{pid}, w.postgres(), work)
	}
	if err := w.Emulator.SetFault(ctx, emulator.Fault{Kind: emulator.FaultAway, Number: "*"}); err != nil {
		return 0, 0, err
	}
	ownMS, storeMS, err = spent([]int{pid}, w.postgres(), work)
	return ownMS, storeMS, errors.Join(err, w.Emulator.ClearFaults(ctx), w.quiet(ctx))
}

// text has the i-th cliente send the n-th text of this batch at a node.
func (w *writers) text(ctx context.Context, at *caller, i, n int) (time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	key := fmt.Sprintf("%d-%d-%d", w.batch, i, n)
	return at.send(ownership.Cliente(i+1), w.friends[i%len(w.friends)], "text "+key, key)
}

// rival has accounts of the rival do the same.
func (w *writers) rival(ctx context.Context, accounts, each int, into *side) error {
	w.batch++
	t := floor.Texts{To: w.friends, Each: each, Text: fmt.Sprintf("text %d", w.batch)}
	for i := range accounts {
		t.From = append(t.From, rivalNumber(i+1))
	}
	var sent floor.Sent
	cpu, store, err := w.spent(ctx, w.arena.rival.pid(), func() (err error) {
		sent, err = w.arena.rival.send(ctx, t)
		return err
	})
	if err != nil {
		return err
	}
	into.add(sent.Waits, sent.Seconds, cpu, store)
	return nil
}

func (s *side) add(waits []float64, seconds, cpu, store float64) {
	n := float64(len(waits))
	s.rate = append(s.rate, n/seconds)
	s.median = append(s.median, quantile(waits, 0.5))
	s.p99 = append(s.p99, quantile(waits, 0.99))
	s.cpu = append(s.cpu, cpu/n)
	s.store = append(s.store, store/n)
}
