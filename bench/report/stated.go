package report

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

const (
	// expected is how many of further runs are to have their median within what a report states.
	expected = 0.95
	// enoughRuns are needed to say so: how two runs differ tells next to nothing.
	enoughRuns = 3
)

// Stated is within what another run's median is to be: where 95 of 100 are expected by the medians of
// this run and of those beside it. ok is false where these are fewer than three; then least and most
// are those of the rounds, which say nothing of how machines and days differ.
func (f Figure) Stated() (least, most float64, ok bool) {
	if len(f.Values) == 0 {
		return 0, 0, false
	}
	medians := []float64{f.Median()}
	for _, median := range f.Others {
		if median != nil {
			medians = append(medians, *median)
		}
	}
	if len(medians) < enoughRuns {
		least, most = f.Spread()
		return least, most, false
	}
	least, most = nextWithin(medians)
	return least, most, true
}

// byChance is how many of so many figures may lie outside what is stated in 95 of 100 runs, if all of it is
// right and they do not depend on one another: each has its 1 in 20.
func byChance(figures int) int {
	outside := distuv.Binomial{N: float64(figures), P: 1 - expected}
	k := 0
	for outside.CDF(float64(k)) < expected {
		k++
	}
	return k
}

// nextWithin is the prediction interval of one more of such values:
//
//	mean ± t(n-1) · s · √(1 + 1/n)
//
// with Student's t, where they are normally distributed; of their logarithms where all are positive, as
// what makes one run slower than another is a factor (Geisser, Predictive Inference, 1993).
func nextWithin(values []float64) (least, most float64) {
	scaled, back := slices.Clone(values), func(v float64) float64 { return v }
	if slices.Min(values) > 0 {
		for i, v := range values {
			scaled[i] = math.Log(v)
		}
		back = math.Exp
	}
	mean, s := stat.MeanStdDev(scaled, nil)
	if s == 0 {
		return values[0], values[0]
	}
	n := float64(len(values))
	t := distuv.StudentsT{Sigma: 1, Nu: n - 1}.Quantile((1 + expected) / 2)
	off := t * s * math.Sqrt(1+1/n)
	return back(mean - off), back(mean + off)
}

// stated is Stated for people; "" where it is only the rounds' spread.
func (f Figure) stated() string {
	least, most, ok := f.Stated()
	switch {
	case !ok:
		return ""
	case least == most:
		return number(least)
	}
	return fmt.Sprintf("%s – %s", number(least), number(most))
}
