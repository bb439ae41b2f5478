package measure

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/sys/unix"
)

// NewProgress shows a run to whoever watches: a bar on a terminal, else a line for each step. of
// is how many scenarios there are.
func NewProgress(out *os.File, of int) Progress {
	p := progress{out: out, of: of}
	if _, err := unix.IoctlGetWinsize(int(out.Fd()), unix.TIOCGWINSZ); err != nil {
		return &lines{p}
	}
	return &bars{progress: p}
}

// progress is what both ways to show it know.
type progress struct {
	out     io.Writer
	of      int
	number  int // of the present scenario, from 1
	current string
	begun   time.Time
}

func (p *progress) Begin(scenario string) {
	p.number++
	p.current, p.begun = fmt.Sprintf("%d/%d %s", p.number, p.of, scenario), time.Now()
}

func (p *progress) End(err error) {
	took := time.Since(p.begun).Round(100 * time.Millisecond)
	if err != nil {
		fmt.Fprintf(p.out, "✘ %s, after %v: %v\n", p.current, took, err)
		return
	}
	fmt.Fprintf(p.out, "✔ %s, %v\n", p.current, took)
}

// lines are for logs.
type lines struct{ progress }

func (l *lines) Step(done, total int, what string) {
	fmt.Fprintf(l.out, "  %s, step %d of %d: %s\n", l.current, min(done+1, total), total, what)
}

// bars are for people: one for each scenario, which goes when that has ended.
type bars struct {
	progress
	bar   *progressbar.ProgressBar
	total int
}

func (b *bars) Step(done, total int, what string) {
	if b.bar == nil {
		b.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(b.out), progressbar.OptionSetWidth(30),
			progressbar.OptionShowCount(), progressbar.OptionSetElapsedTime(true), progressbar.OptionSetPredictTime(true),
			progressbar.OptionThrottle(50*time.Millisecond), progressbar.OptionClearOnFinish())
		b.total = total
	}
	if total != b.total {
		b.bar.ChangeMax(total)
		b.total = total
	}
	b.bar.Describe(b.current + ": " + what)
	_ = b.bar.Set(done) // it could not be drawn: nothing to be done about it
}

func (b *bars) End(err error) {
	if b.bar != nil {
		_ = b.bar.Clear()
		b.bar = nil
	}
	b.progress.End(err)
}
