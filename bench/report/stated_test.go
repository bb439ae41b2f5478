package report

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestStated(t *testing.T) {
	with := func(others ...float64) Figure {
		f := Figure{Values: []float64{3, -1, 0}} // median 0
		for _, o := range others {
			f.Others = append(f.Others, new(o), nil) // nil: that run did not measure it
		}
		return f
	}
	for name, tt := range map[string]struct {
		figure      Figure
		least, most float64
		ok          bool
	}{
		"no run":         {Figure{}, 0, 0, false},
		"the rounds":     {with(), -1, 3, false},
		"too few runs":   {with(1), -1, 3, false},
		"three runs":     {with(-1, 1), -4.968, 4.968, true}, // 4.3027 · 1 · √(1 + 1/3)
		"all the same":   {with(0, 0), 0, 0, true},
		"factors":        {Figure{Values: []float64{2}, Others: []*float64{new(1.), new(4.)}}, 0.0639, 62.6, true}, // 2 · e^±(4.3027 · ln 2 · √(1 + 1/3))
		"the same again": {Figure{Values: []float64{0.1}, Others: []*float64{new(0.1), new(0.1)}}, 0.1, 0.1, true},
	} {
		least, most, ok := tt.figure.Stated()
		if math.Abs(least-tt.least) > 1e-3*max(1, math.Abs(least)) || math.Abs(most-tt.most) > 1e-3*max(1, most) || ok != tt.ok {
			t.Errorf("%s: %g to %g, %v; want %g to %g, %v", name, least, most, ok, tt.least, tt.most, tt.ok)
		}
	}
}

// Of runs that differ by chance alone, as many as it says are within.
func TestStatedHolds(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 11))
	run := func() float64 { return math.Exp(0.2 * random.NormFloat64()) }
	const trials = 20_000
	within := 0
	for range trials {
		f := Figure{Values: []float64{run()}, Others: []*float64{new(run()), new(run()), new(run())}}
		least, most, _ := f.Stated()
		if next := run(); least <= next && next <= most {
			within++
		}
	}
	if share := float64(within) / trials; math.Abs(share-expected) > 0.006 { // four times the standard error
		t.Errorf("%.3f of the next runs are within what is stated, want %.2f", share, expected)
	}
}

// Of one figure none is out by chance in 95 of 100 runs; of 15, two at most: P(0, 1, 2) = 0.46 + 0.37 + 0.13.
func TestByChance(t *testing.T) {
	for figures, want := range map[int]int{0: 0, 1: 0, 2: 1, 15: 2} {
		if got := byChance(figures); got != want {
			t.Errorf("%d of %d, want %d", got, figures, want)
		}
	}
}
