package measure

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"session-manager/bench/report"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a scenario that does what it is told.
type fake struct {
	name string
	run  func(ctx context.Context, env Env, into *report.Scenario) error
}

func (f fake) Name() string              { return f.name }
func (f fake) About() string             { return "About " + f.name + "." }
func (f fake) Params() map[string]string { return map[string]string{"size": "3"} }
func (f fake) Run(ctx context.Context, env Env, into *report.Scenario) error {
	return f.run(ctx, env, into)
}

func options(t *testing.T, out io.Writer, scenarios ...Scenario) Options {
	t.Helper()
	return Options{Scenarios: scenarios, BinDir: "bin", Out: filepath.Join(t.TempDir(), "out"), Quick: true, Seed: 7,
		Progress: &lines{progress{out: out, of: len(scenarios)}}, Log: slog.New(slog.DiscardHandler)}
}

// A scenario that fails or panics keeps no other from being measured, and all are in the report.
func TestRun(t *testing.T) {
	var dirs []string
	var out bytes.Buffer
	measured := func(_ context.Context, env Env, into *report.Scenario) error {
		dirs = append(dirs, env.Dir)
		if !filepath.IsAbs(env.BinDir) || !env.Quick || env.Rounds != 2 || env.Seed != 7 {
			t.Errorf("%+v", env)
		}
		env.Step(0, 2, "first")
		env.Step(1, 2, "second")
		into.AtLeast(1, "speed", "x", 0.5)
		return os.WriteFile(filepath.Join(env.Dir, "data"), nil, 0o644)
	}
	failed := errors.New("no server")
	o := options(t, &out, fake{"one", measured},
		fake{"two", func(_ context.Context, env Env, _ *report.Scenario) error {
			if err := os.Mkdir(filepath.Join(env.Dir, "cluster"), 0o755); err != nil {
				return err
			}
			return errors.Join(failed, os.WriteFile(filepath.Join(env.Dir, "cluster", "node1.log"), []byte("why"), 0o644))
		}},
		fake{"three", func(context.Context, Env, *report.Scenario) error { panic("a bug") }},
		fake{"four", measured})
	_, err := Run(context.Background(), o)
	if !errors.Is(err, ErrIncomplete) {
		t.Fatalf("%v, want %v", err, ErrIncomplete)
	}
	r, err := report.Read(filepath.Join(o.Out, report.JSONFile))
	if err != nil {
		t.Fatal(err)
	}
	var errs []string
	for _, s := range r.Scenarios {
		errs = append(errs, s.Name+": "+s.Err)
	}
	if got := strings.Join(errs, ", "); got != "one: , two: no server, three: panic: a bug, four: " {
		t.Errorf("errors: %s", got)
	}
	for _, dir := range dirs {
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left", dir)
		}
	}
	if kept, err := os.ReadFile(filepath.Join(o.Out, "failed", "two", "cluster", "node1.log")); err != nil || string(kept) != "why" {
		t.Errorf("the log of what failed: %q, %v", kept, err)
	}
	for _, want := range []string{"  1/4 one, step 1 of 2: first\n", "step 2 of 2: second", "✔ 4/4 four", "✘ 2/4 two", "no server"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not told in\n%s", want, out.String())
		}
	}
	if m := r.Machine; m.CPU == "" || m.Cores < 1 || m.Memory < 1<<20 || m.Kernel == "" || m.OS == "" || m.Call <= 0 || m.Touch <= 0 {
		t.Errorf("machine %+v", m)
	}
}

// A run that is cut short leaves what it had.
func TestRunIsCutShort(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	o := options(t, io.Discard, fake{"one", func(ctx context.Context, _ Env, into *report.Scenario) error {
		into.Tell("speed", "x", 2)
		cancel()
		return ctx.Err()
	}}, fake{"two", func(context.Context, Env, *report.Scenario) error {
		t.Error("the second scenario ran")
		return nil
	}})
	if _, err := Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
	text, err := os.ReadFile(filepath.Join(o.Out, report.MarkdownFile))
	if err != nil || !strings.Contains(string(text), "| speed |") || !strings.Contains(string(text), "canceled") {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestBars(t *testing.T) {
	var out bytes.Buffer
	b := &bars{progress: progress{out: &out, of: 1}}
	b.Begin("status")
	b.Step(0, 3, "starting")
	b.Step(2, 4, "nginx")
	b.Step(4, 4, "done")
	b.Step(4, 4, "done, again")
	b.End(nil)
	if text := out.String(); !strings.Contains(text, "1/1 status") || !strings.Contains(text, "✔ 1/1 status") {
		t.Errorf("%q", text)
	}
}

func TestVersions(t *testing.T) {
	dir := t.TempDir()
	script := "#!/bin/sh\necho session-manager v1.2-3-gabc\n"
	if err := os.WriteFile(filepath.Join(dir, "session-manager"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	v := Versions(context.Background(), dir)
	if v["session-manager"] != "v1.2-3-gabc" || !strings.HasPrefix(v["go"], "1.") {
		t.Errorf("%v", v)
	}
	if v := Versions(context.Background(), t.TempDir()); v["session-manager"] != "" {
		t.Errorf("%v of nothing", v)
	}
}
