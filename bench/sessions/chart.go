package sessions

import (
	"session-manager/bench/report"
)

// The two sides, as the reader of a report knows them.
const (
	productName = "session-manager"
	rivalName   = "bare whatsmeow"
)

// chart is a picture of both sides: two bars for each thing that was compared.
type chart struct{ report.Plot }

func newChart(file, title, unit string) *chart {
	return &chart{report.Plot{File: file, Title: title, Y: unit, Bars: true, Series: []report.Series{{Name: productName}, {Name: rivalName}}}}
}

// add adds two bars: the medians of the rounds.
func (c *chart) add(label string, product, rival []float64) {
	c.Labels = append(c.Labels, label)
	for i, values := range [][]float64{product, rival} {
		c.Series[i].Y = append(c.Series[i].Y, report.Figure{Values: values}.Median())
	}
}

// draw adds the picture to a scenario, where there is something on it.
func (c *chart) draw(into *report.Scenario) {
	if len(c.Labels) > 0 {
		into.Plots = append(into.Plots, c.Plot)
	}
}
