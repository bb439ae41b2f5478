// Package report is what a measurement says: figures with their spread and their bars, and the
// plots that show them, written as JSON for machines, Markdown and SVG for people.
package report

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Report is one run of the harness.
type Report struct {
	Begun     time.Time         `json:"begun"`
	Took      float64           `json:"took_s"`
	Quick     bool              `json:"quick"` // sizes were cut down: figures are for orientation
	Seed      uint64            `json:"seed"`
	Machine   Machine           `json:"machine"`
	Versions  map[string]string `json:"versions"` // of the product, Go and everything compared with
	Scenarios []*Scenario       `json:"scenarios"`
	Others    []Other           `json:"others,omitempty"` // runs whose medians stand beside this one's
}

// Other is another run, at another time or on another machine. Its medians are with the figures.
type Other struct {
	Begun   time.Time `json:"begun"`
	CPU     string    `json:"cpu"`
	Product string    `json:"product"` // its version
}

// Machine is where it ran.
type Machine struct {
	CPU    string  `json:"cpu"`
	Cores  int     `json:"cores"`
	Memory int64   `json:"memory_bytes"`
	OS     string  `json:"os"`
	Kernel string  `json:"kernel"`
	Call   float64 `json:"system_call_ns,omitempty"` // of one that does nothing; 0: not measured
	Touch  float64 `json:"page_touch_ns,omitempty"`  // of a page, for the first time; 0: not measured
}

// Scenario is what one scenario measured.
type Scenario struct {
	Name    string            `json:"name"`
	About   string            `json:"about"`
	Params  map[string]string `json:"params"`
	Took    float64           `json:"took_s"`
	Figures []Figure          `json:"figures"`
	Plots   []Plot            `json:"plots,omitempty"`
	Notes   []string          `json:"notes,omitempty"` // what a reader must know to read the figures
	Err     string            `json:"error,omitempty"` // it could not be carried out
}

// Figure is one thing that was measured, once a round.
type Figure struct {
	Name   string     `json:"name"`
	Unit   string     `json:"unit,omitempty"`   // "x" for a ratio, "ms", "us", "KB", "1/s", "1/CPU-s"; "": a count
	Values []float64  `json:"values"`           // one a round, in order
	Bar    *Bar       `json:"bar,omitempty"`    // nil: it is only told
	Others []*float64 `json:"others,omitempty"` // medians of the report's other runs; null: it has none
}

// Bar is what a figure is held against.
type Bar struct {
	AtLeast bool    `json:"at_least"` // else: at most
	Value   float64 `json:"value"`
}

// Median of the rounds; 0 of none.
func (f Figure) Median() float64 {
	if len(f.Values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(f.Values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// Spread is the least and the most of the rounds.
func (f Figure) Spread() (least, most float64) {
	if len(f.Values) == 0 {
		return 0, 0
	}
	return slices.Min(f.Values), slices.Max(f.Values)
}

// Met says whether the median keeps the bar; a figure that was not measured keeps none.
func (f Figure) Met() bool {
	if f.Bar == nil {
		return true
	}
	if len(f.Values) == 0 {
		return false
	}
	if f.Bar.AtLeast {
		return f.Median() >= f.Bar.Value
	}
	return f.Median() <= f.Bar.Value
}

// Tell adds a figure without a bar.
func (s *Scenario) Tell(name, unit string, values ...float64) { s.add(nil, name, unit, values) }

// AtLeast adds a figure that must not be less than bar.
func (s *Scenario) AtLeast(bar float64, name, unit string, values ...float64) {
	s.add(&Bar{AtLeast: true, Value: bar}, name, unit, values)
}

// AtMost adds a figure that must not be more than bar.
func (s *Scenario) AtMost(bar float64, name, unit string, values ...float64) {
	s.add(&Bar{Value: bar}, name, unit, values)
}

// add leaves out what is no number, as of a division by 0: it was not measured, and JSON has no
// word for it.
func (s *Scenario) add(bar *Bar, name, unit string, values []float64) {
	values = slices.DeleteFunc(slices.Clone(values), func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
	s.Figures = append(s.Figures, Figure{Name: name, Unit: unit, Values: values, Bar: bar})
}

// Note adds what a reader must know to read the figures.
func (s *Scenario) Note(format string, args ...any) {
	s.Notes = append(s.Notes, fmt.Sprintf(format, args...))
}

// Plot is a picture of figures.
type Plot struct {
	File   string   `json:"file"` // its name, without directory: "status.svg"
	Title  string   `json:"title"`
	X      string   `json:"x"` // label with unit
	Y      string   `json:"y"`
	Bars   bool     `json:"bars"`           // one bar a series and label; else lines
	LogX   bool     `json:"log_x"`          // lines only
	Labels []string `json:"labels"`         // of the bars' groups
	Series []Series `json:"series"`         // one colour each
	Line   *float64 `json:"line,omitempty"` // a bar to be kept, drawn across
}

// Series is one line, or one bar in each group.
type Series struct {
	Name string    `json:"name"`
	X    []float64 `json:"x,omitempty"` // lines only
	Y    []float64 `json:"y"`
}
