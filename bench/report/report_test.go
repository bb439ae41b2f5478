package report

import (
	"math"
	"testing"
)

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 1: "1", 1.15: "1.15", 0.999: "0.999", 18.236: "18.2", 100.4: "100", 999.4: "999", 999.6: "1,000",
		12345: "12,345", -1234567.8: "-1,234,568", 0.0123456: "0.0123", 2.5e-8: "2.50e-08", 0.1: "0.1", -0.5: "-0.5",
	} {
		if got := number(v); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
}

func TestFigure(t *testing.T) {
	atLeast, atMost, none := &Bar{AtLeast: true, Value: 15}, &Bar{Value: 1.15}, &Bar{}
	for _, test := range []struct {
		f                      Figure
		measured, bar, verdict string
	}{
		{Figure{Unit: "x", Values: []float64{16, 18.2, 14}, Bar: atLeast}, "16 × (14 – 18.2)", "≥ 15 ×", "✔ met"},
		{Figure{Unit: "x", Values: []float64{12, 13}, Bar: atLeast}, "12.5 × (12 – 13)", "≥ 15 ×", "✘ 17 % short"},
		{Figure{Unit: "x", Values: []float64{1.16}, Bar: atMost}, "1.16 ×", "≤ 1.15 ×", "✘ 0.9 % over"},
		{Figure{Unit: "x", Values: []float64{1.1503}, Bar: atMost}, "1.15 ×", "≤ 1.15 ×", "✘ a little over"},
		{Figure{Unit: "us", Values: []float64{9}, Bar: &Bar{Value: 9}}, "9 µs", "≤ 9 µs", "✔ met"},
		{Figure{Unit: "", Values: []float64{2}, Bar: none}, "2", "≤ 0", "✘ 2 over"},
		{Figure{Unit: "KB", Bar: atMost}, "not measured", "≤ 1.15 KB", "✘ not measured"},
		{Figure{Unit: "1/CPU-s", Values: []float64{51234.4, 50000, 60000}}, "51,234 1/CPU-s (50,000 – 60,000)", "", ""},
	} {
		if m, b, v := test.f.measured(), test.f.bar(), test.f.verdict(); m != test.measured || b != test.bar || v != test.verdict {
			t.Errorf("%+v: %q, %q, %q; want %q, %q, %q", test.f, m, b, v, test.measured, test.bar, test.verdict)
		}
	}
}

// What is no number was not measured.
func TestNoNumbers(t *testing.T) {
	var s Scenario
	given := []float64{math.NaN(), 2, math.Inf(1)}
	s.AtLeast(1, "a", "x", given...)
	s.AtMost(1, "b", "x", math.Inf(-1))
	s.Tell("c", "x", 1, 2)
	if f := s.Figures[0]; f.Median() != 2 || !f.Met() || len(f.Values) != 1 || len(given) != 3 || given[1] != 2 {
		t.Errorf("%+v of %v", f, given)
	}
	if f := s.Figures[1]; f.Met() || len(f.Values) != 0 {
		t.Errorf("%+v", f)
	}
	if f := s.Figures[2]; !f.Met() || f.Median() != 1.5 {
		t.Errorf("%+v", f)
	}
}

func TestLasting(t *testing.T) {
	for seconds, want := range map[float64]string{0.0123: "12.3 ms", 1.4: "1 s", 59.7: "1 min 0 s", 3599: "59 min 59 s", 7260: "2 h 1 min"} {
		if got := lasting(seconds); got != want {
			t.Errorf("%v s: %q, want %q", seconds, got, want)
		}
	}
}
