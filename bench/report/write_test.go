package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// example has one of everything.
func example() *Report {
	fifteen := 15.0
	return &Report{
		Begun: time.Date(2026, 11, 24, 10, 30, 0, 0, time.UTC), Took: 184, Quick: true, Seed: 7,
		Machine:  Machine{CPU: "A CPU", Cores: 2, Memory: 24 << 30, OS: "Debian GNU/Linux 12", Kernel: "6.1.0", Call: 1018, Touch: 11470},
		Versions: map[string]string{"product": "v1", "nginx": "1.22.1"},
		Scenarios: []*Scenario{
			{
				Name: "status", About: "What a request costs.", Params: map[string]string{"for": "3s", "connections": "64"}, Took: 90.2,
				Figures: []Figure{
					{Name: "owner / Express", Unit: "x", Values: []float64{16.1, 18, 17.2}, Bar: &Bar{AtLeast: true, Value: 15}},
					{Name: "hop / nginx, p99 | latency", Unit: "x", Values: []float64{1.5}, Bar: &Bar{Value: 1}},
					{Name: "owner", Unit: "1/CPU-s", Values: []float64{91234, 89000}},
				},
				Plots: []Plot{{File: "status.svg", Title: "Requests per CPU-second", Y: "1/CPU-s", Bars: true,
					Labels: []string{"owner", "hop"}, Series: []Series{{Name: "ours", Y: []float64{90, 40}}, {Name: "theirs", Y: []float64{6, 38}}}, Line: &fifteen}},
				Notes: []string{"One worker each.", "Two\nlines."},
			},
			{
				Name: "placement", About: "Where clientes go.", Took: 0.5,
				Plots: []Plot{{File: "placement.svg", Title: "Balance <1.25>", X: "nodes", Y: "most / mean", LogX: true,
					Series: []Series{{Name: "ring & load", X: []float64{0, 1, 10, 1000}, Y: []float64{9, 1, 1.2, 1.25}}}}},
			},
			{Name: "soak", About: "For long.", Err: "start node1: it ended\n  node1 | no\n", Took: 3700},
		},
	}
}

// The golden file is what a person reads. UPDATE=1 writes it anew.
func TestMarkdown(t *testing.T) {
	got := []byte(example().Markdown())
	golden := filepath.Join("testdata", "report.md")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("it reads\n%s\nwant\n%s", got, want)
	}
}

// What was read again writes the same files: a committed report can be rendered anew.
func TestWriteRead(t *testing.T) {
	first, second := t.TempDir(), filepath.Join(t.TempDir(), "made")
	r := example()
	if err := r.Write(first); err != nil {
		t.Fatal(err)
	}
	again, err := Read(filepath.Join(first, JSONFile))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(again, r) {
		t.Errorf("read %+v, want %+v", again, r)
	}
	if err := again.Write(second); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{JSONFile, MarkdownFile, "status.svg", "placement.svg"} {
		a, errA := os.ReadFile(filepath.Join(first, name))
		b, errB := os.ReadFile(filepath.Join(second, name))
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Errorf("%s: differs, or %v, %v", name, errA, errB)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(second, "*.new")); left != nil {
		t.Errorf("left: %v", left)
	}
	if _, err := Read(filepath.Join(first, MarkdownFile)); err == nil {
		t.Error("Markdown was read as JSON")
	}
}

func TestPlotsAreSVG(t *testing.T) {
	for _, s := range example().Scenarios {
		for _, p := range s.Plots {
			var svg bytes.Buffer
			if err := p.Draw(&svg); err != nil {
				t.Fatalf("%s: %v", p.File, err)
			}
			var words []string
			for d := xml.NewDecoder(&svg); ; {
				token, err := d.Token()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatalf("%s: %v", p.File, err)
				}
				if text, ok := token.(xml.CharData); ok {
					words = append(words, string(text))
				}
			}
			text := strings.Join(words, "")
			for _, want := range append([]string{p.Title, p.Y}, p.Labels...) {
				if !strings.Contains(text, want) {
					t.Errorf("%s: %q is not in it", p.File, want)
				}
			}
		}
	}
}

// A plot that cannot be drawn takes nothing else with it.
func TestPlotsThatCannotBe(t *testing.T) {
	y := []Series{{Name: "a", Y: []float64{1}}}
	for _, test := range []struct {
		why string
		p   Plot
	}{
		{"no series", Plot{File: "a.svg"}},
		{"want a name", Plot{File: "../a.svg", Series: y}},
		{"want a name", Plot{File: "a.png", Series: y}},
		{"without labels", Plot{File: "a.svg", Bars: true, Series: y}},
		{"1 y for 2 labels", Plot{File: "a.svg", Bars: true, Labels: []string{"b", "c"}, Series: y}},
		{"1 y for 0 x", Plot{File: "a.svg", Series: y}},
		{"no number", Plot{File: "a.svg", Series: []Series{{X: []float64{1}, Y: []float64{math.NaN()}}}}},
		{"no point", Plot{File: "a.svg", LogX: true, Series: []Series{{X: []float64{0}, Y: []float64{1}}}}},
	} {
		r := &Report{Scenarios: []*Scenario{{Name: "s", Plots: []Plot{test.p}}}}
		dir := t.TempDir()
		for range 2 {
			if err := r.Write(dir); err != nil {
				t.Fatalf("%s: %v", test.why, err)
			}
		}
		if s := r.Scenarios[0]; len(s.Plots) != 0 || len(s.Notes) != 1 || !strings.Contains(s.Notes[0], test.why) {
			t.Errorf("%s: plots %v, notes %q", test.why, s.Plots, s.Notes)
		}
	}
}
