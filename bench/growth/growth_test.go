package growth

import (
	"testing"

	"session-manager/bench/faults"
	"session-manager/bench/report"
)

// A figure of several rounds is one figure of several values; what nobody asked for is left out.
func TestFiguresOfSeveralRounds(t *testing.T) {
	bar := 2.0
	var figures []report.Figure
	for _, f := range []faults.Figure{
		{Name: "gap p99", Value: 1, Unit: "ms", Bar: &bar}, {Name: "gap p99", Value: 3, Unit: "ms", Bar: &bar},
		{Name: "gap max"}, {Name: "lost sent"}, {Name: "sends", Value: 7},
	} {
		figures = add(figures, "join", f)
	}
	if len(figures) != 3 || figures[0].Name != "join: gap p99" || len(figures[0].Values) != 2 || figures[0].Bar.Value != 2 || figures[0].Unit != "ms" {
		t.Errorf("%+v", figures)
	}
}
