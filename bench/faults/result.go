package faults

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Figure is one thing that was measured.
type Figure struct {
	Name  string   `json:"name"`
	Value measure  `json:"value"`
	Unit  string   `json:"unit,omitempty"` // "ms", "%", or empty for a count
	Bar   *float64 `json:"bar,omitempty"`  // the most that it may be; nil: it is only told
	// Promise is one that must hold whatever the machine: a run that breaks it has failed.
	Promise bool `json:"promise,omitempty"`
}

// measure is a number that may be unknown: NaN, and null in JSON.
type measure float64

// MarshalJSON writes null for what is unknown.
func (m measure) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(m)) {
		return []byte("null"), nil
	}
	return strconv.AppendFloat(nil, float64(m), 'f', -1, 64), nil
}

// Short says whether the figure misses its bar.
func (f Figure) Short() bool {
	v := float64(f.Value)
	switch {
	case f.Bar == nil:
		return false
	case math.IsNaN(v):
		return true // nothing was measured: that is no pass
	}
	return v > *f.Bar
}

func (f Figure) String() string {
	text := f.Name + " " + number(float64(f.Value), f.Unit)
	if f.Bar == nil {
		return text
	}
	if !f.Promise {
		text += fmt.Sprintf(" (bar %s)", number(*f.Bar, f.Unit))
	}
	if f.Short() {
		text = "✘ " + text
	}
	return text
}

func number(v float64, unit string) string {
	if math.IsNaN(v) {
		return "unknown"
	}
	text := strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
	if unit != "" {
		text += " " + unit
	}
	return text
}

// Result is what a scenario saw.
type Result struct {
	Scenario string    `json:"scenario"`
	Begun    time.Time `json:"begun"`
	Took     float64   `json:"took_s"`
	Figures  []Figure  `json:"figures"`
	Notes    []string  `json:"notes,omitempty"` // evidence of what went wrong
	Err      string    `json:"error,omitempty"` // the scenario could not be carried out
}

// Broken says whether a promise was, or the scenario not carried out.
func (r *Result) Broken() bool {
	return r.Err != "" || slices.ContainsFunc(r.Figures, func(f Figure) bool { return f.Promise && f.Short() })
}

// Verdict is PASS, or what keeps it from one.
func (r *Result) Verdict() string {
	switch {
	case r.Err != "":
		return "ERROR"
	case slices.ContainsFunc(r.Figures, Figure.Short):
		return "FALL SHORT"
	}
	return "PASS"
}

func (r *Result) String() string {
	var words []string
	for _, f := range r.Figures {
		words = append(words, f.String())
	}
	if r.Err != "" {
		words = append(words, r.Err)
	}
	return fmt.Sprintf("%s %s: %s", r.Verdict(), r.Scenario, strings.Join(words, ", "))
}

func (r *Result) tell(name string, v float64, unit string) {
	r.Figures = append(r.Figures, Figure{Name: name, Value: measure(v), Unit: unit})
}

func (r *Result) atMost(name string, v float64, unit string, bar float64) {
	r.Figures = append(r.Figures, Figure{Name: name, Value: measure(v), Unit: unit, Bar: &bar})
}

// never is a promise: a count that must be 0.
func (r *Result) never(name string, n int) {
	r.Figures = append(r.Figures, Figure{Name: name, Value: measure(n), Bar: new(float64), Promise: true})
}

func (r *Result) noteAll(format string, all []string) {
	const most = 10 // enough to see what it is
	for _, s := range all[:min(len(all), most)] {
		r.Notes = append(r.Notes, fmt.Sprintf(format, s))
	}
	if len(all) > most {
		r.Notes = append(r.Notes, fmt.Sprintf("... and %d more", len(all)-most))
	}
}

// spread tells median, p99 and longest of some durations; bars of 0 are none.
func (r *Result) spread(name string, all []time.Duration, median, p99, longest time.Duration) {
	r.tell(name+" count", float64(len(all)), "")
	if len(all) == 0 && median+p99+longest == 0 {
		return
	}
	for _, q := range []struct {
		name string
		at   float64
		bar  time.Duration
	}{{"median", 0.5, median}, {"p99", 0.99, p99}, {"max", 1, longest}} {
		v := quantile(all, q.at)
		if q.bar == 0 {
			r.tell(name+" "+q.name, v, "ms")
		} else {
			r.atMost(name+" "+q.name, v, "ms", ms(q.bar))
		}
	}
}

// quantile is the smallest of all, in ms, that a share q of them does not exceed; NaN of none.
func quantile(all []time.Duration, q float64) float64 {
	if len(all) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(all))
	return ms(sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)])
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
