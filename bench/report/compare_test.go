package report

import (
	"strings"
	"testing"
	"time"
)

func TestCompare(t *testing.T) {
	of := func(hour int, values map[string][]float64) *Report {
		r := &Report{Begun: time.Date(2026, 11, 25, hour, 0, 0, 0, time.UTC), Scenarios: []*Scenario{{Name: "s"}}}
		for _, name := range []string{"within", "apart", "once", "zero", "time", "only one", "told"} {
			unit := map[bool]string{true: "ms", false: "x"}[name == "time"]
			if v := values[name]; v != nil && name == "told" {
				r.Scenarios[0].Tell(name, unit, v...)
			} else if v != nil {
				r.Scenarios[0].AtMost(1, name, unit, v...)
			}
		}
		return r
	}
	again := of(7, map[string][]float64{"within": {2, 3, 9}, "apart": {2, 4}, "once": {3}, "zero": {1}, "time": {3}, "told": {1}})
	again.Machine = Machine{CPU: "A CPU", Call: 1018, Touch: 11470}
	got, err := Compare(
		of(1, map[string][]float64{"within": {1, 2, 3}, "apart": {1, 2}, "once": {2}, "zero": {0, 0}, "time": {1, 4}, "only one": {1}, "told": {1}}), again)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"25 November, 01:00", "25 November, 07:00",
		"| s        | within | ≤ 1 × |          2 × (1 – 3) |        3 × (2 – 9) | same    |",
		"| +100.0 % |", "| +50.0 % |", "| differs  |",
		"2 of 4 figures are the same, among them 1 of 3 ratios: medians of the second run within what the first states.",
		"1 others are measured once a run: no spread is stated.",
		"the second on A CPU, where a system call takes 1.02 µs and the first touch of a page 11.5 µs.",
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
