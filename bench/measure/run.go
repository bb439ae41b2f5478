package measure

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"session-manager/bench/report"
)

// ErrIncomplete: a scenario could not be carried out. The report says which, and why.
var ErrIncomplete = errors.New("not every scenario could be carried out")

// Options of a run.
type Options struct {
	Scenarios []Scenario
	BinDir    string // of the programs
	Out       string // directory that the report goes to
	Quick     bool
	Rounds    int    // 0: 5, or 2 of a quick run
	Seed      uint64 // 0: by the clock
	Versions  map[string]string
	Progress  Progress
	Log       *slog.Logger
}

// Progress is told how far a run got.
type Progress interface {
	Begin(scenario string) // the next one
	Step(done, total int, what string)
	End(err error) // of that scenario; nil: carried out
}

// Run runs the scenarios one after the other and writes the report after each, so that a run which
// is cut short leaves what it had. It goes on after a scenario that could not be carried out, and
// ends with ErrIncomplete. A bar that was missed is no error.
func Run(ctx context.Context, o Options) (*report.Report, error) {
	bin, err := filepath.Abs(o.BinDir)
	if err != nil {
		return nil, err
	}
	r := &report.Report{Begun: time.Now(), Quick: o.Quick, Seed: o.Seed, Machine: thisMachine(), Versions: o.Versions}
	if r.Seed == 0 {
		r.Seed = uint64(r.Begun.UnixNano())
	}
	rounds := o.Rounds
	if rounds == 0 {
		rounds = map[bool]int{false: 5, true: 2}[o.Quick]
	}
	var failed error
	logs := filepath.Join(o.Out, "failed")
	for _, s := range o.Scenarios {
		o.Progress.Begin(s.Name())
		into := &report.Scenario{Name: s.Name(), About: s.About(), Params: s.Params()}
		r.Scenarios = append(r.Scenarios, into)
		begun := time.Now()
		err := one(ctx, s, Env{BinDir: bin, Quick: o.Quick, Rounds: rounds, Seed: r.Seed, Log: o.Log, Step: o.Progress.Step}, into, filepath.Join(logs, s.Name()))
		into.Took, r.Took = time.Since(begun).Seconds(), time.Since(r.Begun).Seconds()
		if err != nil {
			into.Err, failed = err.Error(), fmt.Errorf("%w: the logs are in %s", ErrIncomplete, logs)
		}
		o.Progress.End(err)
		if err := r.Write(o.Out); err != nil {
			return r, err
		}
		if ctx.Err() != nil {
			return r, context.Cause(ctx)
		}
	}
	return r, failed
}

// one runs a scenario in a directory of its own. One that panics has failed, alone. The logs of one that
// failed go to a directory that stays.
func one(ctx context.Context, s Scenario, env Env, into *report.Scenario, logs string) (err error) {
	env.Dir, err = os.MkdirTemp("", "bench-"+s.Name()+"-")
	if err != nil {
		return err
	}
	var mu sync.Mutex // guards the progress: a scenario may tell of it from several goroutines
	step := env.Step
	env.Step = func(done, total int, what string) {
		mu.Lock()
		defer mu.Unlock()
		step(done, total, what)
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
		if err != nil {
			err = errors.Join(err, keepLogs(env.Dir, logs))
		}
		err = errors.Join(err, os.RemoveAll(env.Dir))
	}()
	return s.Run(ctx, env, into)
}

// keepLogs copies the logs below from to the same places below to.
func keepLogs(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || filepath.Ext(path) != ".log" {
			return err
		}
		place, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		kept := filepath.Join(to, place)
		if err := os.MkdirAll(filepath.Dir(kept), 0o755); err != nil {
			return err
		}
		return os.WriteFile(kept, text, 0o644)
	})
}
