package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"session-manager/bench/cluster"
	"session-manager/node/ownership"
)

const (
	nodes       = 3
	firstOwn    = ownership.Cliente(51) // the contract's example
	friend      = "5491122220000"       // a phone that no cliente has: everybody's correspondent
	runTimeout  = 3 * time.Minute       // of all steps together
	stepTimeout = 60 * time.Second
	moveTimeout = 10 * time.Second // in which a cliente must be READY elsewhere, with what it was sent meanwhile
)

// ErrFailed: a step did not hold. The report says which and why.
var ErrFailed = errors.New("a step of the demo did not hold")

// Options of a demo.
type Options struct {
	BinDir   string // of the programs
	Store    string // sqlite or postgres
	Clientes int    // paired at the beginning, 1 to 500
	Keep     bool   // leave everything up until ctx ends
	Out      io.Writer
	Log      *slog.Logger // nil: silence
}

func (o Options) validate() error {
	switch {
	case o.Clientes < 1 || o.Clientes > 500:
		return fmt.Errorf("%d clientes: want 1 to 500", o.Clientes)
	case o.Store != cluster.SQLite && o.Store != cluster.Postgres:
		return fmt.Errorf("store %q: want sqlite or postgres", o.Store)
	}
	return nil
}

// demo is one run.
type demo struct {
	o       Options
	report  report
	cluster *cluster.Cluster
	paired  []account // in the order of their pairing
}

// account is a cliente with its phone.
type account struct {
	cliente ownership.Cliente
	number  string
}

func accountOf(c ownership.Cliente) account {
	return account{cliente: c, number: cluster.NumberOf(c)}
}

// step is one claim and its check.
type step struct {
	title string
	run   func(ctx context.Context, f *figures) error
}

// Run runs all steps and returns nil if every one held, ErrFailed if one did not. Whatever
// happened, nothing is left running or on disk when it returns.
func Run(ctx context.Context, o Options) error {
	if err := o.validate(); err != nil {
		return err
	}
	d := &demo{o: o, report: report{out: o.Out}}
	begun := time.Now()
	limited, cancel := context.WithTimeoutCause(ctx, runTimeout, fmt.Errorf("the demo took longer than %v", runTimeout))
	defer cancel()
	err := d.steps(limited)
	if err != nil && d.cluster != nil && ctx.Err() == nil {
		d.report.line("the nodes' last words:\n%s", d.cluster.Tails())
	}
	if o.Keep && d.cluster != nil && ctx.Err() == nil {
		d.keep(ctx)
	}
	// With a context of its own: Ctrl-C must not keep the end from being checked.
	ending, cancelEnding := context.WithTimeout(context.WithoutCancel(ctx), stepTimeout)
	defer cancelEnding()
	err = errors.Join(err, d.do(ending, step{"nothing is left running", d.leave}))
	if err != nil {
		d.report.line("✘ the demo failed after %s", ms(time.Since(begun)))
		return fmt.Errorf("%w: %w", ErrFailed, err)
	}
	d.report.line("✔ every step held, in %s", ms(time.Since(begun)))
	return nil
}

func (d *demo) steps(ctx context.Context) error {
	own := count(d.o.Clientes, "cliente")
	for _, s := range []step{
		{fmt.Sprintf("%d nodes, etcd, %s and the WhatsApp emulator run", nodes, d.o.Store), d.start},
		{own + " paired by scanning their QR codes", d.pair},
		{"messages sent through nodes that are not the owner", d.send},
		{"messages received, and stored before they are acknowledged", d.receive},
		{"owner killed with SIGKILL: READY elsewhere, nothing lost or doubled", d.failover},
		{"a fourth node joins and takes new clientes", d.grow},
		{"the referee: no fork, no overlap, nothing undecryptable or doubled", d.judge},
	} {
		if err := d.do(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// do runs one step within stepTimeout and reports it.
func (d *demo) do(ctx context.Context, s step) error {
	ctx, cancel := context.WithTimeoutCause(ctx, stepTimeout, fmt.Errorf("the step took longer than %v", stepTimeout))
	defer cancel()
	begun := time.Now()
	var f figures
	err := s.run(ctx, &f)
	d.report.step(s.title, time.Since(begun), f, err)
	if err != nil {
		return fmt.Errorf("%s: %w", s.title, err)
	}
	return nil
}

// keep shows where everything is and waits for Ctrl-C.
func (d *demo) keep(ctx context.Context) {
	d.report.line("\nup until Ctrl-C:")
	d.cluster.Show(d.o.Out)
	a := d.exampleAccount()
	d.report.line("    try:  curl -H 'X-Cliente-Id: %s' %s/status\n", a.cliente, d.runningURL())
	<-ctx.Done()
}

func (d *demo) exampleAccount() account {
	if len(d.paired) > 0 {
		return d.paired[0]
	}
	return accountOf(firstOwn)
}

func (d *demo) runningURL() string {
	for _, n := range d.cluster.Nodes() {
		if n.Running() {
			return n.URL()
		}
	}
	return "http://127.0.0.1:3001"
}
