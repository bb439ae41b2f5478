package placement

import (
	"context"
	"log/slog"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"session-manager/bench/measure"
	"session-manager/bench/report"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func env(rounds int) measure.Env {
	return measure.Env{Rounds: rounds, Seed: 1, Log: slog.New(slog.DiscardHandler), Step: func(int, int, string) {}}
}

// A small run says all that a large one does.
func TestPlacement(t *testing.T) {
	var into report.Scenario
	p := &Placement{Nodes: 60, Clientes: 20_000}
	if err := p.Run(t.Context(), env(2), &into); err != nil {
		t.Fatal(err)
	}
	if len(into.Figures) != 10 || len(into.Plots) != 3 || len(into.Notes) == 0 {
		t.Fatalf("%d figures, %d plots, %d notes", len(into.Figures), len(into.Plots), len(into.Notes))
	}
	for _, f := range into.Figures {
		if len(f.Values) != 2 {
			t.Errorf("%s: %v, want a value for each round", f.Name, f.Values)
		}
		// Of what is told without a clock, everything is about 1.
		if least, most := f.Spread(); f.Unit == "x" && (least < 0.4 || most > 2.5) {
			t.Errorf("%s: %v", f.Name, f.Values)
		}
	}
	for _, plot := range into.Plots {
		for _, s := range plot.Series {
			if len(s.X) != len(sizes(60)) || len(s.X) != len(s.Y) {
				t.Errorf("%s, %s: %d sizes and %d values", plot.File, s.Name, len(s.X), len(s.Y))
			}
		}
	}
}

func TestEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (&Placement{Nodes: 10, Clientes: 1000}).Run(ctx, env(1), new(report.Scenario)); err == nil {
		t.Error("it goes on after the end")
	}
}

func TestSizes(t *testing.T) {
	if got, want := sizes(60), []int{1, 2, 3, 4, 5, 6, 7, 9, 10, 19, 20, 29, 30, 49, 50, 60}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
