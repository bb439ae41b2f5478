package status

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"session-manager/bench/measure"
	"session-manager/bench/report"
	"session-manager/bench/rivals/rivalstest"
	"session-manager/bench/testbin"
)

func TestMain(m *testing.M) { rivalstest.Main(m) }

// programs are the real ones, and bench, which this is.
func programs(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	if err := testbin.Build(bin); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err == nil {
		err = os.Symlink(self, filepath.Join(bin, "bench"))
	}
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// The scenario in small, with the rivals that need no installation: every figure that has a bar
// is measured, and every plot can be drawn.
func TestStatus(t *testing.T) {
	bin := programs(t)
	t.Run("quick", func(t *testing.T) { testStatus(t, bin, true) })
	t.Run("started anew for each round", func(t *testing.T) { testStatus(t, bin, false) })
}

func testStatus(t *testing.T, bin string, quick bool) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s := &Status{Connections: 4, For: 100 * time.Millisecond, Clientes: 2, Store: "sqlite", Rivals: []string{"none"}}
	into := &report.Scenario{Name: s.Name(), About: s.About(), Params: s.Params()}
	last := -1
	env := measure.Env{BinDir: bin, Dir: t.TempDir(), Quick: quick, Rounds: 2, Seed: 7, Log: slog.New(slog.DiscardHandler),
		Step: func(done, total int, what string) {
			if done <= last || done > total {
				t.Errorf("step %d of %d after %d: %s", done, total, last, what)
			}
			last = done
		}}
	if err := s.Run(ctx, env, into); err != nil {
		t.Fatal(err)
	}
	for _, f := range into.Figures {
		if len(f.Values) != 2 || f.Median() <= 0 {
			t.Errorf("%s: %v", f.Name, f.Values)
		}
	}
	if !slices.ContainsFunc(into.Figures, func(f report.Figure) bool { return f.Bar != nil && strings.Contains(f.Name, bareServer) }) {
		t.Errorf("nothing was held against %s: %+v", bareServer, into.Figures)
	}
	r := &report.Report{Scenarios: []*report.Scenario{into}}
	if err := r.Write(t.TempDir()); err != nil {
		t.Error(err)
	}
	if len(into.Plots) != 3 {
		t.Errorf("plots left: %d, want 3; notes %q", len(into.Plots), into.Notes)
	}
}

func TestParameters(t *testing.T) {
	for _, test := range []struct {
		s    Status
		want time.Duration // in a quick run; 0: refused
	}{
		{Status{Connections: 1, Clientes: 1}, 600 * time.Millisecond},
		{Status{Connections: 1, Clientes: 1, For: time.Second}, time.Second},
		{Status{Connections: 0, Clientes: 1}, 0},
		{Status{Connections: 1, Clientes: 900}, 0},
		{Status{Connections: 1, Clientes: 1, For: -1}, 0},
	} {
		err := test.s.Validate()
		if (err != nil) != (test.want == 0) {
			t.Errorf("%+v: %v", test.s, err)
		}
		if err == nil && test.s.duration(true) != test.want {
			t.Errorf("%+v: %v, want %v", test.s, test.s.duration(true), test.want)
		}
	}
	if d := (&Status{}).duration(false); d != 3*time.Second {
		t.Errorf("full: %v", d)
	}
}

// Ratios are taken round by round; a round that one of the two lacks is left out.
func TestAgainst(t *testing.T) {
	a := &contender{samples: []sample{{perCPU: 10}, {perCPU: 30}, {perCPU: 1}}}
	b := &contender{samples: []sample{{perCPU: 5}, {perCPU: 10}}}
	if got := fmt.Sprint(a.against(b, perCPU), a.each(cost)[0]); got != "[2 3] 100000" {
		t.Errorf("%s", got)
	}
}
