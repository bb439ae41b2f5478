package report

import (
	"strings"
	"testing"
	"time"
)

func TestCompare(t *testing.T) {
	of := func(hour int, values map[string][]float64) *Report {
		r := &Report{Begun: time.Date(2026, 11, 25, hour, 0, 0, 0, time.UTC), Scenarios: []*Scenario{{Name: "s"}}}
		for _, name := range []string{"meets", "apart", "zero", "only one", "told"} {
			if v := values[name]; v != nil && name == "told" {
				r.Scenarios[0].Tell(name, "x", v...)
			} else if v != nil {
				r.Scenarios[0].AtMost(1, name, "x", v...)
			}
		}
		return r
	}
	got := Compare(
		of(1, map[string][]float64{"meets": {1, 2, 3}, "apart": {1, 2}, "zero": {0}, "only one": {1}, "told": {1}}),
		of(7, map[string][]float64{"meets": {3, 4}, "apart": {3, 3}, "zero": {1}, "told": {1}}))
	for _, want := range []string{
		"25 November, 01:00", "25 November, 07:00",
		"| s        | meets | ≤ 1 × |          2 × (1 – 3) |        3.5 × (3 – 4) | same    |",
		"| +100.0 % |", "| differs  |", "1 of 3 figures are the same",
	} {
		if !strings.Contains(strings.Join(strings.Fields(got), " "), strings.Join(strings.Fields(want), " ")) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	for _, not := range []string{"only one", "told"} {
		if strings.Contains(got, not) {
			t.Errorf("%q has no second measurement, or no bar:\n%s", not, got)
		}
	}
}
