package report

import (
	"strings"
	"testing"
	"time"
)

// What other runs measured stands beside a figure, and is part of what the report states.
func TestBeside(t *testing.T) {
	of := func(hour int, values ...float64) *Report {
		r := &Report{Begun: time.Date(2026, 11, 25, hour, 0, 0, 0, time.UTC), Machine: Machine{CPU: "A CPU"},
			Versions: map[string]string{"session-manager": "v1"}, Scenarios: []*Scenario{{Name: "s"}}}
		r.Scenarios[0].AtMost(3, "figure", "x", values...)
		r.Scenarios[0].Tell("of this run", "", 1)
		return r
	}
	r, empty := of(1, 2, 2.5, 2.25), of(4)
	if text := r.Markdown(); strings.Contains(text, "other runs") {
		t.Errorf("there is no other run:\n%s", text)
	}
	for _, others := range [][]*Report{{of(2, 1, 3, 1.75)}, {of(2, 9), of(3, 2.75), empty}} { // the run of 2 stands there already
		if err := r.Beside(others...); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"- 25 November, 02:00 on A CPU (v1)\n- 25 November, 03:00", "| s        | figure | 2.25 × (2 – 2.5) | 1.75, 2.75, – |   0.718 – 6.82 | ≤ 3 × | ✔ met |"} {
		if text := r.Markdown(); !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if text, err := Compare(r, of(5, 2.6)); err != nil || !strings.Contains(text, "1 of 1 ratios") || !strings.Contains(text, "up to 0 of 1 do") {
		t.Errorf("2.6 is to be expected: %v\n%s", err, text)
	}
	if text, err := Compare(r, of(5, 9)); err != nil || !strings.Contains(text, "0 of 1 ratios") {
		t.Errorf("9 is not to be expected: %v\n%s", err, text)
	}
	for _, hour := range []int{1, 3} {
		if _, err := Compare(r, of(hour, 2.6)); err == nil {
			t.Errorf("the run of %d is part of the report", hour)
		}
	}
	next := of(7, 2)
	if err := next.Beside(r, of(2, 1, 3, 1.75)); err != nil { // the run of 2 stands beside r already
		t.Fatal(err)
	}
	if got := next.Scenarios[0].Figures[0].others(); got != "1.75, 2.75, –, 2.25" || len(next.Others) != 4 {
		t.Errorf("beside the next one stand %s of %v", got, next.Others)
	}
	quick := of(6, 1)
	quick.Quick = true
	for what, other := range map[string]*Report{"itself": of(1, 2), "a quick run": quick} {
		if err := r.Beside(other); err == nil {
			t.Errorf("%s stands beside a full run", what)
		}
	}
}
