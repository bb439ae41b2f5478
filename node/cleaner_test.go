package node

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"session-manager/node/ownership"
	"session-manager/ring"
)

// fakeAttic is a store with old rows in it.
type fakeAttic struct {
	mu       sync.Mutex // guards what follows
	forsaken []ownership.Cliente
	sends    int64
	texts    int64
	notes    int64
	err      error
	calls    int
	keep     time.Duration
}

func (f *fakeAttic) ForgetSends(_ context.Context, age time.Duration, limit int) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	f.keep = age
	n := min(f.sends, int64(limit))
	f.sends -= n
	return n, f.err
}

func (f *fakeAttic) ForgetTexts(_ context.Context, age time.Duration, limit int) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if age != 24*time.Hour {
		return 0, nil
	}
	n := min(f.texts, int64(limit))
	f.texts -= n
	return n, nil
}

func (f *fakeAttic) NeverPaired(context.Context, time.Duration, int) (map[ownership.Cliente]ownership.Token, error) {
	return map[ownership.Cliente]ownership.Token{7: {Generation: 1, Revision: 7}, 8: {Generation: 1, Revision: 8}}, nil
}

func (f *fakeAttic) Forsake(_ context.Context, c ownership.Cliente, t ownership.Token) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forsaken = append(f.forsaken, c)
	return nil
}

func (f *fakeAttic) ForgetCrashes(context.Context, time.Duration) (int64, error) { return 0, nil }

func (f *fakeAttic) ForgetNotes(context.Context, time.Duration) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.notes
	f.notes = 0
	return n, f.err
}

func (f *fakeAttic) with(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// withCleaner is n1, alone on its ring, with an attic of 10,000 old sends.
func withCleaner(t *testing.T, keep time.Duration, test func(t *testing.T, l *leaserTest, c *cleaner, f *fakeAttic, log func() string)) {
	withLeaser(t, func(t *testing.T, l *leaserTest) {
		var lines lockedText
		f := &fakeAttic{sends: cleanMuch, texts: cleanBatch + 1, notes: 3}
		m := &moverTest{leaserTest: l, changed: newSignal()}
		c := &cleaner{node: "n1", keep: keep, keeper: l.keeper, placement: &placement{orders: m}, store: f,
			owned: func(c ownership.Cliente) bool { return c == 7 },
			log:   slog.New(slog.NewTextHandler(&lines, nil)), metrics: newMetrics(prometheus.NewRegistry())}
		c.placement.ring.Store(ring.New([]string{"n1"}))
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); c.Run(ctx) }()
		test(t, l, c, f, lines.String)
		cancel()
		<-done
	})
}

func textLog(to io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(to, nil)) }

// lockedText is what several goroutines write.
type lockedText struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (l *lockedText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestCleaning(t *testing.T) {
	withCleaner(t, 24*time.Hour, func(t *testing.T, _ *leaserTest, c *cleaner, f *fakeAttic, log func() string) {
		time.Sleep(cleanEvery + 2*time.Second)
		f.with(func() {
			if want := cleanMuch/cleanBatch + 1; f.sends != 0 && f.calls < want || f.notes != 0 || len(f.forsaken) != 1 || f.forsaken[0] != 8 || f.keep != 24*time.Hour {
				t.Errorf("%d sends and %d notes left after %d calls of %v; %v forsaken", f.sends, f.notes, f.calls, f.keep, f.forsaken)
			}
		})
		time.Sleep(cleanEvery)
		f.with(func() {
			if f.sends != 0 {
				t.Errorf("%d sends left", f.sends)
			}
		})
		if got := counted(t, c.metrics.cleaned.WithLabelValues("sends")); got != cleanMuch {
			t.Errorf("%v counted", got)
		}
		if n := strings.Count(log(), "rows=10000"); n != 1 {
			t.Errorf("%d lines: %s", n, log())
		}
	})
}

// What was sent goes after a day, for however long its key is remembered.
func TestFaultC14TextsGoAfterADay(t *testing.T) {
	withCleaner(t, 0, func(t *testing.T, _ *leaserTest, c *cleaner, f *fakeAttic, _ func() string) {
		time.Sleep(cleanEvery + time.Second)
		f.with(func() {
			if f.texts != 0 || f.sends != cleanMuch {
				t.Errorf("%d texts and %d sends left", f.texts, f.sends)
			}
		})
		if got := counted(t, c.metrics.cleaned.WithLabelValues("texts")); got != cleanBatch+1 {
			t.Errorf("%v counted", got)
		}
	})
}

// One node cleans, and only while it is in touch; 0 keeps sends for ever.
func TestWhoCleans(t *testing.T) {
	for name, c := range map[string]struct {
		keep    time.Duration
		prepare func(l *leaserTest, c *cleaner)
		sends   int64 // left
		notes   int64
	}{
		"another node":    {time.Hour, func(_ *leaserTest, c *cleaner) { c.placement.ring.Store(ring.New([]string{"n2"})) }, cleanMuch, 3},
		"nobody":          {time.Hour, func(_ *leaserTest, c *cleaner) { c.placement.ring.Store(ring.New(nil)) }, cleanMuch, 3},
		"without a lease": {time.Hour, func(l *leaserTest, _ *cleaner) { l.cutEtcd(true) }, cleanMuch, 3},
		"for ever":        {0, func(*leaserTest, *cleaner) {}, cleanMuch, 0},
	} {
		withCleaner(t, c.keep, func(t *testing.T, l *leaserTest, cl *cleaner, f *fakeAttic, _ func() string) {
			c.prepare(l, cl)
			time.Sleep(3 * cleanEvery)
			f.with(func() {
				if f.sends != c.sends || f.notes != c.notes {
					t.Errorf("%s: %d sends and %d notes left", name, f.sends, f.notes)
				}
			})
		})
	}
}

func TestCleaningIsTriedAgain(t *testing.T) {
	withCleaner(t, time.Hour, func(t *testing.T, _ *leaserTest, _ *cleaner, f *fakeAttic, log func() string) {
		f.with(func() { f.err = errGone })
		time.Sleep(2*cleanEvery + time.Second)
		if n := strings.Count(log(), errGone.Error()); n != 2 {
			t.Errorf("%d complaints: %s", n, log())
		}
		f.with(func() { f.err = nil })
		time.Sleep(2 * cleanEvery)
		f.with(func() {
			if f.sends != 0 {
				t.Errorf("%d sends left", f.sends)
			}
		})
	})
}
