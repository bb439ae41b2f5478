package sessions

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"session-manager/bench/cluster"
	"session-manager/bench/emulator"
	"session-manager/bench/measure"
	"session-manager/bench/report"
)

// Receive measures messages a second from phones to accounts, until each is acknowledged: which
// the product does once it is stored, and bare whatsmeow once it is decrypted.
type Receive struct {
	Stores   []string `default:"sqlite,postgres" help:"Kinds of store."`
	Accounts int      `default:"100" help:"How many accounts are written to at once."`
	Each     int      `default:"20" help:"Messages to each of them in a round."`
}

// Name is receive.
func (r *Receive) Name() string { return "receive" }

// About says what it measures.
func (r *Receive) About() string {
	return "Messages a second from phones until they are acknowledged: by session-manager once they are stored, by bare whatsmeow once they are decrypted."
}

// Params are its sizes.
func (r *Receive) Params() map[string]string {
	return map[string]string{"stores": strings.Join(r.Stores, ","), "accounts": fmt.Sprint(r.Accounts), "each": fmt.Sprint(r.Each)}
}

// Run measures.
func (r *Receive) Run(ctx context.Context, env measure.Env, into *report.Scenario) error {
	o := *r
	if env.Quick {
		o.Accounts, o.Each, o.Stores = min(o.Accounts, 40), min(o.Each, 5), o.Stores[len(o.Stores)-1:]
	}
	rate := newChart("receive-rate.svg", "Messages a second until they are acknowledged", "messages / s")
	for i, store := range o.Stores {
		if err := o.over(ctx, env, store, i, into, rate); err != nil {
			return fmt.Errorf("%s: %w", store, err)
		}
	}
	rate.draw(into)
	into.Notes = append(into.Notes, "The messages are encrypted and queued at the emulator before the clock starts, and then delivered all at once.",
		"Bare whatsmeow acknowledges before anybody has stored the message: what is under way when its process dies is lost.")
	return nil
}

// over measures with one kind of store.
func (r *Receive) over(ctx context.Context, env measure.Env, store string, nth int, into *report.Scenario, rate *chart) (err error) {
	steps := env.Rounds + 1
	env.Step(nth*steps, len(r.Stores)*steps, "accounts over "+store)
	a, err := begin(ctx, env, setup{store: store, nodes: 1})
	if err != nil {
		return err
	}
	defer func() { err = joinClose(err, a) }()
	w, err := a.writers(ctx, r.Accounts)
	if err != nil {
		return err
	}
	product := func(i int) string { return productNumber(clientes(i + 1)[i]) }
	rival := func(i int) string { return rivalNumber(i + 1) }
	for _, number := range []func(int) string{product, rival} { // a first letter costs a prekey
		var none side
		if err := w.letters(ctx, r.Accounts, 1, number, w.node().PID(), &none); err != nil {
			return err
		}
	}
	var both [2]side
	for round := range env.Rounds {
		env.Step(nth*steps+1+round, len(r.Stores)*steps, fmt.Sprintf("messages over %s, round %d", store, round+1))
		err := turns(round,
			func() error { return w.letters(ctx, r.Accounts, r.Each, product, w.node().PID(), &both[0]) },
			func() error { return w.letters(ctx, r.Accounts, r.Each, rival, w.arena.rival.pid(), &both[1]) })
		if err != nil {
			return err
		}
	}
	rate.add(store, both[0].rate, both[1].rate)
	prefix := fmt.Sprintf("%s, %d at once: ", store, r.Accounts)
	into.Tell(prefix+"messages a second, against bare whatsmeow", "x", ratios(both[0].rate, both[1].rate)...)
	into.Tell(prefix+"CPU per message with the store's, against bare whatsmeow", "x", ratios(sums(both[0]), sums(both[1]))...)
	for i, who := range []string{productName, rivalName} {
		into.Tell(prefix+who+", messages a second", "1/s", both[i].rate...)
		into.Tell(prefix+who+", CPU per message", "ms", both[i].cpu...)
		if store == cluster.Postgres {
			into.Tell(prefix+who+", Postgres's CPU per message", "ms", both[i].store...)
		}
	}
	if store == cluster.Postgres {
		var none side
		counts, err := a.counted(ctx, "message", float64(r.Accounts*countedTexts), into,
			func() error { return w.letters(ctx, r.Accounts, countedTexts, product, w.node().PID(), &none) },
			func() error { return w.letters(ctx, r.Accounts, countedTexts, rival, w.arena.rival.pid(), &none) })
		if err != nil {
			return err
		}
		tellStatements(into, prefix, "message", counts)
	}
	return a.judge(ctx)
}

// letters queues messages to n accounts while the server is deaf, lets them go, and appends how
// fast all were acknowledged, by the emulator's clock.
func (w *writers) letters(ctx context.Context, n, each int, number func(i int) string, pid int, into *side) error {
	if err := w.Emulator.SetFault(ctx, emulator.Fault{Kind: emulator.FaultDeaf, Number: "*"}); err != nil {
		return err
	}
	before, err := w.write(ctx, n, each, number)
	if err != nil {
		return err
	}
	var took time.Duration
	cpu, store, err := spent([]int{pid}, w.postgres(), func() error {
		if err := w.Emulator.ClearFaults(ctx); err != nil {
			return err
		}
		took, err = w.acknowledged(ctx, before, n*each)
		return err
	})
	if err != nil {
		return err
	}
	into.add(make([]float64, n*each), took.Seconds(), cpu, store)
	return w.quiet(ctx)
}

// write has friends write to accounts, and returns the number of the last event.
func (w *writers) write(ctx context.Context, n, each int, number func(i int) string) (last int64, err error) {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i := range n {
		g.Go(func() error {
			for m := range each {
				from := w.friends[(i+1)%len(w.friends)] // not whom it writes to: letters do not cross
				if _, err := w.Emulator.SendMessage(gctx, from, number(i), fmt.Sprintf("letter %d", m)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return 0, err
	}
	s, err := w.Emulator.Stats(ctx)
	return s.LastEvent, err
}

// acknowledgedPoll is between two looks whether all is acknowledged; the time itself is read from
// the events.
const acknowledgedPoll = 50 * time.Millisecond

// acknowledged waits for so many receipts of devices, and returns the time from the end of the
// fault after event since, which lets the messages go, to the last of them.
func (w *writers) acknowledged(ctx context.Context, since int64, want int) (time.Duration, error) {
	ctx, cancel := limited(ctx)
	defer cancel()
	var first, last time.Time
	got := 0
	for {
		events, err := w.Emulator.Events(ctx, since)
		if err != nil {
			return 0, err
		}
		for _, e := range events {
			since = e.N
			switch e.Kind {
			case emulator.KindFault:
				first = e.At
			case emulator.KindReceipt:
				got++
				last = e.At
			case emulator.KindRetry, emulator.KindNack:
				return 0, fmt.Errorf("%s could not read a message: %s", e.Device, e.Kind)
			}
		}
		if got >= want {
			return last.Sub(first), nil
		}
		if err := wait(ctx, acknowledgedPoll); err != nil {
			return 0, fmt.Errorf("%d of %d messages were acknowledged: %w", got, want, context.Cause(ctx))
		}
	}
}
