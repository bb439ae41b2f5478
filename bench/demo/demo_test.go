package demo

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"session-manager/bench/cluster"
)

func TestRunRefusesOptions(t *testing.T) {
	for _, o := range []Options{
		{Store: "sqlite", Clientes: 0},
		{Store: "sqlite", Clientes: 501},
		{Store: "mysql", Clientes: 1},
	} {
		if err := Run(context.Background(), o); err == nil || errors.Is(err, ErrFailed) {
			t.Errorf("%+v: %v; want it refused before a step", o, err)
		}
	}
}

// The first step that does not hold ends the run, and is told with its reason.
func TestRunReportsTheStepThatFails(t *testing.T) {
	var out bytes.Buffer
	err := Run(context.Background(), Options{BinDir: t.TempDir(), Store: "sqlite", Clientes: 1, Out: &out})
	if !errors.Is(err, ErrFailed) || !errors.Is(err, cluster.ErrNotBuilt) {
		t.Fatalf("got %v", err)
	}
	report := out.String()
	for _, want := range []string{"✘ 3 nodes", "run make build", "✔ nothing is left running", "✘ the demo failed"} {
		if !strings.Contains(report, want) {
			t.Errorf("report lacks %q:\n%s", want, report)
		}
	}
	if strings.Contains(report, "paired") {
		t.Errorf("a step came after the one that failed:\n%s", report)
	}
}

// The check of the end can fail: it finds a living process and a directory that stayed.
func TestLeftOversAreFound(t *testing.T) {
	if err := alive([]int{os.Getpid()}); err == nil || !strings.Contains(err.Error(), "still runs") {
		t.Errorf("a living process was not found: %v", err)
	}
	if err := stillThere(t.TempDir()); err == nil {
		t.Error("a directory was not found")
	}
	if err := errors.Join(alive(nil), stillThere("/nonexistent/dir")); err != nil {
		t.Error(err)
	}
}

func TestFigures(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{spread(nil), "none"},
		{spread([]time.Duration{30 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond}), "median 20 ms, longest 30 ms"},
		{count(1, "node"), "1 node"},
		{count(3, "node"), "3 nodes"},
		{tally(map[string]int{"node2": 1, "node1": 4}), "node1 4, node2 1"},
		{numberOf("5491100000051:1@s.whatsapp.net"), "5491100000051"},
		{numberOf("5491100000051@s.whatsapp.net"), "5491100000051"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}
