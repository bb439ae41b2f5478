package sessions

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"session-manager/bench/measure"
	"session-manager/bench/report"
)

// small runs a scenario on tiny sizes.
func small(t *testing.T, s measure.Scenario) *report.Scenario {
	t.Helper()
	into := &report.Scenario{Name: s.Name(), About: s.About(), Params: s.Params()}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	err := s.Run(ctx, measure.Env{BinDir: built.dir(t), Dir: t.TempDir(), Rounds: 2, Seed: 1, Log: slog.New(slog.DiscardHandler),
		Step: func(done, total int, what string) { t.Logf("%d of %d: %s", done, total, what) }}, into)
	for _, f := range into.Figures {
		t.Logf("%s: %.3g %s %v", f.Name, f.Median(), f.Unit, f.Values)
	}
	for _, n := range into.Notes {
		t.Log(n)
	}
	if err != nil {
		t.Fatal(err)
	}
	return into
}

// positive checks that figures were measured, once a round where rounds is not 0.
func positive(t *testing.T, s *report.Scenario, rounds int, names ...string) {
	t.Helper()
	for _, name := range names {
		found := false
		for _, f := range s.Figures {
			if f.Name != name {
				continue
			}
			found = true
			if rounds != 0 && len(f.Values) != rounds {
				t.Errorf("%s: %d values, want %d", name, len(f.Values), rounds)
			}
			if least, _ := f.Spread(); least <= 0 {
				t.Errorf("%s: %v", name, f.Values)
			}
		}
		if !found {
			t.Errorf("no figure %q", name)
		}
	}
}

func TestSend(t *testing.T) {
	s := small(t, &Send{Stores: []string{"sqlite", "postgres"}, Clientes: 4, Each: 5, Alone: 10, Hops: 10})
	positive(t, s, 2, "sqlite, 4 at once: texts a second, against bare whatsmeow", "postgres, 1 at once: session-manager, median",
		"postgres, 4 at once: bare whatsmeow, p99", "/send through another node, one by one, p99")
	positive(t, s, 1, "store statements per text, without BEGIN and COMMIT", "bare whatsmeow, store statements per text, without BEGIN and COMMIT")
	if !strings.Contains(strings.Join(s.Notes, " "), "write whatsmeow_sessions") {
		t.Errorf("the statements are not told: %q", s.Notes)
	}
}
