package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"session-manager/bench/cluster"
)

// ErrBroken: a promise was broken, or a scenario could not be carried out. The report says which.
var ErrBroken = errors.New("a promise was broken, or a scenario not carried out")

// Options of a run. A zero is the scenario's own size.
type Options struct {
	Scenario string // its name, several with commas, or "all"
	BinDir   string // of the programs
	Dir      string // of data and logs, each scenario's below its name; "": a temporary one
	Out      io.Writer
	File     string // the results go here as JSON; "": nowhere
	Verbose  bool   // tell what goes on, too

	Clientes int           // paired at the beginning, of all nodes together
	Rate     int           // sends a second; negative: none
	For      time.Duration // how long the fault lasts
	Rounds   int           // how often it is done
	PauseMin time.Duration // of the scenario pause
	PauseMax time.Duration
	Start    int           // --start-rate of the nodes, in the scenario herd
	Many     int           // requests, connections or clientes that a flood has
	Every    time.Duration // between two times that phones lose their sessions
	Seed     uint64        // of what is random; 0: by the clock

	Runs int // of each scenario, each in a cluster of its own; 0: 1
	Busy int // processes beside that each want a core
}

// scenario is a row of what the product has promised.
type scenario struct {
	about    string
	defaults Options // of its full size
	cuts     bool    // needs networks of its own: root
	storeMB  int     // size of a file system of the store's own: root; 0: it has none
	etcd     int     // how many members it has; 0: one
	nodeArgs func(o Options) []string
	cluster  func(o Options, c *cluster.Options) error // changes what it is made of
	run      func(ctx context.Context, w *world, r *Result) error
}

// Names are those of all scenarios, sorted.
func Names() []string { return sortedKeys(scenarios) }

// About is a scenario in words.
func About(name string) string { return scenarios[name].about }

// Run runs scenarios one after the other, tells each in one line, and returns ErrBroken where a
// promise was broken. A bar that was missed is told, and is no error.
func Run(ctx context.Context, o Options) error {
	names := strings.Split(o.Scenario, ",")
	if o.Scenario == "all" {
		names = Names()
	}
	for _, name := range names {
		if _, ok := scenarios[name]; !ok {
			return fmt.Errorf("scenario %q: want %s or all", name, strings.Join(Names(), ", "))
		}
	}
	if Inside() {
		if err := furnish(ctx); err != nil {
			return err
		}
	}
	idle, err := busy(o.Busy)
	if err != nil {
		return err
	}
	defer idle()
	var results []*Result
	for _, name := range names {
		if results, err = several(ctx, name, o, results); err != nil {
			return err
		}
	}
	if slices.ContainsFunc(results, (*Result).Broken) {
		return ErrBroken
	}
	return nil
}

// several runs a scenario as often as asked for, and appends to the results.
func several(ctx context.Context, name string, o Options, results []*Result) ([]*Result, error) {
	runs := max(o.Runs, 1)
	for n := range runs {
		one := o
		if o.Dir != "" && runs > 1 {
			one.Dir = filepath.Join(o.Dir, fmt.Sprint("run", n+1))
		}
		r := Measure(ctx, name, one)
		results = append(results, r)
		fmt.Fprintln(o.Out, r)
		if r.Verdict() != "PASS" || o.Verbose {
			for _, n := range r.Notes {
				fmt.Fprintln(o.Out, "    "+n)
			}
		}
		if err := write(o.File, results); err != nil {
			return results, err
		}
		if ctx.Err() != nil {
			return results, context.Cause(ctx)
		}
	}
	if runs > 1 {
		fmt.Fprintln(o.Out, total(name, results))
	}
	return results, nil
}

// Measure runs one scenario in a cluster of its own.
func Measure(ctx context.Context, name string, o Options) *Result {
	s := scenarios[name]
	o = o.filled(s.defaults)
	if o.Dir != "" {
		o.Dir = filepath.Join(o.Dir, name) // nodes refuse an etcd that the last scenario's store belonged to
	}
	r := &Result{Scenario: name, Begun: time.Now()}
	err := func() error {
		var args []string
		if s.nodeArgs != nil {
			args = s.nodeArgs(o)
		}
		w, err := begin(ctx, o, s, args...)
		if err != nil {
			return err
		}
		err = s.run(ctx, w, r)
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, w.Tails())
		}
		return errors.Join(err, w.close())
	}()
	if err != nil {
		r.Err = err.Error()
	}
	r.Took = time.Since(r.Begun).Seconds()
	return r
}

// filled has the scenario's sizes where none was asked for.
func (o Options) filled(d Options) Options {
	fill(&o.Clientes, d.Clientes, 300)
	fill(&o.Rate, d.Rate, 50)
	fill(&o.For, d.For, 20*time.Second)
	fill(&o.Rounds, d.Rounds, 1)
	fill(&o.PauseMin, d.PauseMin, time.Second)
	fill(&o.PauseMax, d.PauseMax, time.Minute)
	fill(&o.Start, d.Start, 50)
	fill(&o.Many, d.Many, 1)
	fill(&o.Every, d.Every, 150*time.Millisecond)
	fill(&o.Seed, uint64(time.Now().UnixNano()), 1)
	return o
}

func fill[T comparable](v *T, choices ...T) {
	var zero T
	for _, c := range choices {
		if *v == zero {
			*v = c
		}
	}
}

// say tells what goes on.
func (o Options) say(format string, args ...any) {
	if o.Verbose {
		fmt.Fprintf(o.Out, "    %s "+format+"\n", append([]any{time.Now().Format("15:04:05.000")}, args...)...)
	}
}

func write(file string, results []*Result) error {
	if file == "" {
		return nil
	}
	raw, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(raw, '\n'), 0o644)
}

func sortedKeys[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }
