package demo

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// report prints one line a step, and its figures under it.
type report struct{ out io.Writer }

// figures are the lines under a step.
type figures []string

func (f *figures) add(format string, args ...any) { *f = append(*f, fmt.Sprintf(format, args...)) }

func (r *report) step(title string, took time.Duration, f figures, err error) {
	mark := "✔"
	if err != nil {
		mark = "✘"
	}
	fmt.Fprintf(r.out, "%s %-66s %8s\n", mark, title, ms(took))
	for _, line := range f {
		fmt.Fprintf(r.out, "    %s\n", line)
	}
	if err != nil {
		fmt.Fprintf(r.out, "    %s\n", strings.ReplaceAll(err.Error(), "\n", "\n    "))
	}
}

func (r *report) line(format string, args ...any) { fmt.Fprintf(r.out, format+"\n", args...) }

func ms(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }

// spread is the median and the longest of some durations.
func spread(all []time.Duration) string {
	if len(all) == 0 {
		return "none"
	}
	sorted := slices.Sorted(slices.Values(all))
	return fmt.Sprintf("median %s, longest %s", ms(sorted[len(sorted)/2]), ms(sorted[len(sorted)-1]))
}

// count is "1 node", "3 nodes".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
