package report

import (
	"fmt"
	"strings"
)

// Beside puts the medians of other runs, with the same sizes, beside the figures that they have too, in
// place of any that stand there. Rounds of one run tell nothing of how machines and days differ.
func (r *Report) Beside(others ...*Report) error {
	r.Others = nil
	for _, s := range r.Scenarios {
		for i := range s.Figures {
			s.Figures[i].Others = nil
		}
	}
	for _, o := range others {
		switch at := o.Begun.Format(runAt); {
		case o.Quick != r.Quick:
			return fmt.Errorf("the run of %s cannot stand beside: one of the two was quick, at other sizes", at)
		case o.Begun.Equal(r.Begun):
			return fmt.Errorf("the run of %s cannot stand beside: it is the report's own", at)
		}
		r.Others = append(r.Others, Other{Begun: o.Begun, CPU: o.Machine.CPU, Product: o.Versions["session-manager"]})
		for _, s := range r.Scenarios {
			for i, f := range s.Figures {
				var median *float64
				if again, ok := o.figure(s.Name, f.Name); ok && len(again.Values) > 0 {
					median = new(again.Median())
				}
				s.Figures[i].Others = append(s.Figures[i].Others, median)
			}
		}
	}
	return nil
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
