package report

import (
	"bytes"
	"errors"
	"fmt"
	"image/color"
	"io"
	"math"
	"path/filepath"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Size of a plot, and what bars may fill of its width.
const (
	plotWidth  = 18 * vg.Centimeter
	plotHeight = 9 * vg.Centimeter
	barsWidth  = 15 * vg.Centimeter
	widestBar  = 1.8 * vg.Centimeter
)

// Draw draws the plot as SVG.
func (p Plot) Draw(w io.Writer) (err error) {
	defer func() {
		// The library panics where it does not like a number, and a picture is not worth what
		// was measured.
		if r := recover(); r != nil {
			err = fmt.Errorf("drawing panics: %v", r)
		}
	}()
	if err := p.check(); err != nil {
		return err
	}
	plt := blank()
	plt.Title.Text, plt.X.Label.Text, plt.Y.Label.Text = p.Title, p.X, p.Y
	draws := p.lines
	if p.Bars {
		draws = p.bars
	}
	if err := draws(plt); err != nil {
		return err
	}
	if p.Line != nil {
		line := plotter.NewFunction(func(float64) float64 { return *p.Line })
		line.Color, line.Width, line.Dashes = color.RGBA{R: 200, A: 255}, vg.Points(1.2), []vg.Length{vg.Points(5), vg.Points(3)}
		plt.Add(line)
		plt.Legend.Add("bar: "+number(*p.Line), line)
		plt.Y.Max = math.Max(plt.Y.Max, *p.Line)
	}
	// Room for the numbers over the bars, and for the legend above them.
	plt.Y.Max += (plt.Y.Max - plt.Y.Min) * 0.18
	canvas := vgsvg.New(plotWidth, plotHeight)
	plt.Draw(draw.Crop(draw.New(canvas), vg.Points(4), -vg.Points(8), vg.Points(4), -vg.Points(6)))
	var svg bytes.Buffer
	if _, err := canvas.WriteTo(&svg); err != nil {
		return err
	}
	// Arial is as wide as Liberation, letter by letter, and there where that is not.
	_, err = w.Write(bytes.ReplaceAll(svg.Bytes(), []byte("font-family:Liberation Sans;"), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;")))
	return err
}

// check finds what cannot be drawn, or written as JSON.
func (p Plot) check() error {
	switch {
	case p.File == "" || p.File != filepath.Base(p.File) || filepath.Ext(p.File) != ".svg":
		return fmt.Errorf("file %q: want a name without directory that ends in .svg", p.File)
	case len(p.Series) == 0:
		return errors.New("no series")
	case p.Bars && len(p.Labels) == 0:
		return errors.New("bars without labels")
	}
	for _, s := range p.Series {
		across, what := len(s.X), "x"
		if p.Bars {
			across, what = len(p.Labels), "labels"
		}
		if len(s.Y) != across {
			return fmt.Errorf("series %q has %d y for %d %s", s.Name, len(s.Y), across, what)
		}
		for _, v := range slices.Concat(s.X, s.Y) {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return fmt.Errorf("series %q has what is no number", s.Name)
			}
		}
	}
	return nil
}

// blank is an empty plot in the style of all.
func blank() *plot.Plot {
	plt := plot.New()
	sans := font.Font{Typeface: "Liberation", Variant: "Sans"}
	plt.Title.TextStyle.Font = font.From(sans, 12)
	plt.Title.Padding = vg.Points(8)
	plt.Legend.TextStyle.Font = font.From(sans, 9)
	plt.Legend.Top, plt.Legend.Padding = true, vg.Points(2)
	for _, axis := range []*plot.Axis{&plt.X, &plt.Y} {
		axis.Label.TextStyle.Font, axis.Tick.Label.Font = font.From(sans, 10), font.From(sans, 9)
	}
	plt.Y.Min = 0
	plt.Y.Tick.Marker = plot.TickerFunc(func(least, most float64) []plot.Tick {
		ticks := plot.DefaultTicks{}.Ticks(least, most)
		for i := range ticks {
			if ticks[i].Label != "" {
				ticks[i].Label = number(ticks[i].Value)
			}
		}
		return ticks
	})
	return plt
}

// hue is the colour of the n-th series: Okabe and Ito's, which the colour-blind tell apart too.
func hue(n int) color.Color {
	hues := []color.RGBA{{0, 114, 178, 255}, {230, 159, 0, 255}, {0, 158, 115, 255}, {204, 121, 167, 255}, {86, 180, 233, 255}, {213, 94, 0, 255}, {130, 130, 130, 255}}
	return hues[n%len(hues)]
}

// bars draws a group of bars at each label, one of each series.
func (p Plot) bars(plt *plot.Plot) error {
	grid := plotter.NewGrid()
	grid.Vertical.Color = nil
	plt.Add(grid)
	width := min(widestBar, barsWidth*0.8/vg.Length(len(p.Labels)*len(p.Series)))
	for n, s := range p.Series {
		offset := width * (vg.Length(n) - vg.Length(len(p.Series)-1)/2)
		bars, err := plotter.NewBarChart(plotter.Values(s.Y), width*0.94)
		if err != nil {
			return fmt.Errorf("series %q: %w", s.Name, err)
		}
		bars.Color, bars.Offset, bars.LineStyle.Width = hue(n), offset, 0
		tops := plotter.XYLabels{}
		for i, y := range s.Y {
			tops.XYs = append(tops.XYs, plotter.XY{X: float64(i), Y: y})
			tops.Labels = append(tops.Labels, number(y))
		}
		labels, err := plotter.NewLabels(tops)
		if err != nil {
			return err
		}
		labels.Offset = vg.Point{X: offset, Y: vg.Points(2)}
		for i := range labels.TextStyle {
			labels.TextStyle[i].Font = plt.Legend.TextStyle.Font
			labels.TextStyle[i].XAlign = draw.XCenter
		}
		plt.Add(bars, labels)
		if len(p.Series) > 1 {
			plt.Legend.Add(s.Name, bars)
		}
	}
	plt.NominalX(p.Labels...)
	plt.X.Min, plt.X.Max = -0.5, float64(len(p.Labels))-0.5
	return nil
}

// lines draws a line with its points for each series. Points that the axes cannot show are
// left out.
func (p Plot) lines(plt *plot.Plot) error {
	plt.Add(plotter.NewGrid())
	if p.LogX {
		plt.X.Scale, plt.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	}
	for n, s := range p.Series {
		var points plotter.XYs
		for i, x := range s.X {
			if !p.LogX || x > 0 {
				points = append(points, plotter.XY{X: x, Y: s.Y[i]})
			}
		}
		if len(points) == 0 {
			continue
		}
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return fmt.Errorf("series %q: %w", s.Name, err)
		}
		line.Color, line.Width = hue(n), vg.Points(1.5)
		dots.Color, dots.Shape, dots.Radius = hue(n), draw.CircleGlyph{}, vg.Points(2)
		if len(points) > 100 { // a line by themselves
			plt.Add(line)
		} else {
			plt.Add(line, dots)
		}
		if len(p.Series) > 1 {
			plt.Legend.Add(s.Name, line)
		}
	}
	if plt.X.Min > plt.X.Max {
		return errors.New("no point that the axes can show")
	}
	return nil
}
