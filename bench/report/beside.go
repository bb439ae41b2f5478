package report

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Beside puts the medians of other runs, with the same sizes, beside the figures that they have too, after
// those that stand there; with them come those that stand beside theirs. Rounds of one run tell nothing of
// how machines and days differ.
func (r *Report) Beside(others ...*Report) error {
	for _, o := range others {
		switch at := o.Begun.Format(runAt); {
		case o.Quick != r.Quick:
			return fmt.Errorf("the run of %s cannot stand beside: one of the two was quick, at other sizes", at)
		case o.Begun.Equal(r.Begun):
			return fmt.Errorf("the run of %s cannot stand beside: it is the report's own", at)
		}
		for i, theirs := range o.Others {
			r.beside(theirs, o, func(f Figure) *float64 { return f.Others[i] })
		}
		r.beside(Other{Begun: o.Begun, CPU: o.Machine.CPU, Product: o.Versions["session-manager"]}, o, func(f Figure) *float64 {
			if len(f.Values) == 0 {
				return nil
			}
			return new(f.Median())
		})
	}
	return nil
}

// beside puts one run's medians, as in tells them, beside r's figures, unless that run is there already.
func (r *Report) beside(run Other, in *Report, median func(Figure) *float64) {
	if r.has(run.Begun) {
		return
	}
	r.Others = append(r.Others, run)
	for _, s := range r.Scenarios {
		for i, f := range s.Figures {
			var m *float64
			if theirs, ok := in.figure(s.Name, f.Name); ok {
				m = median(theirs)
			}
			s.Figures[i].Others = append(s.Figures[i].Others, m)
		}
	}
}

// has says whether the run that began then is the report's own, or stands beside it.
func (r *Report) has(begun time.Time) bool {
	return begun.Equal(r.Begun) || slices.ContainsFunc(r.Others, func(o Other) bool { return o.Begun.Equal(begun) })
}

const runAt = "2 January, 15:04"

// others are the medians of other runs.
func (f Figure) others() string {
	words := make([]string, len(f.Others))
	for i, median := range f.Others {
		words[i] = "–"
		if median != nil {
			words[i] = number(*median)
		}
	}
	return strings.Join(words, ", ")
}

// named is when and where it ran.
func (o Other) named() string {
	return fmt.Sprintf("%s on %s (%s)", o.Begun.Format(runAt), o.CPU, o.Product)
}
