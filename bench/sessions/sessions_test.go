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
	err := s.Run(ctx, measure.Env{BinDir: programs(t), Dir: t.TempDir(), Rounds: 2, Quick: true, Seed: 1, Log: slog.New(slog.DiscardHandler),
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

func TestReceive(t *testing.T) {
	s := small(t, &Receive{Stores: []string{"sqlite"}, Accounts: 3, Each: 4})
	positive(t, s, 2, "sqlite, 3 at once: messages a second, against bare whatsmeow", "sqlite, 3 at once: session-manager, messages a second")
}

func TestStart(t *testing.T) {
	s := small(t, &Start{Stores: []string{"postgres"}, Sessions: 5, Lazy: 2, Pairings: 1})
	positive(t, s, 2, "postgres, 5 sessions after a restart: time until all are READY, against bare whatsmeow", "postgres, a first pairing: CPU with the store's, against bare whatsmeow")
	positive(t, s, 1, "postgres, one session by a request: session-manager, median", "postgres, one session by a request: bare whatsmeow, median")
}

func TestIdle(t *testing.T) {
	s := small(t, &Idle{Store: "sqlite", Sessions: 20, Most: 30, Watch: time.Second})
	positive(t, s, 1, "20 idle sessions: memory of each", "20 idle sessions: bare whatsmeow, goroutines of each", "30 sessions on one node: resident")
}

func TestSoak(t *testing.T) {
	s := small(t, &Soak{Store: "postgres", Nodes: 2, Clientes: 6, For: 4 * time.Second, Sends: 20, Letters: 10, Statuses: 20, Drops: 1})
	positive(t, s, 1, "texts", "messages to clientes", "statuses", "sockets dropped")
	for _, f := range s.Figures {
		if f.Bar != nil && f.Bar.Value == 0 && !f.Met() {
			t.Errorf("%s: %v", f.Name, f.Values)
		}
	}
}

// Statements are told apart by their database and by what they do; those of several lines count once.
func TestReadStatements(t *testing.T) {
	l := readStatements(`@sessions@ LOG:  execute stmtcache_1: INSERT INTO sends (cliente, key)
	SELECT $1, $2 FROM f ON CONFLICT DO NOTHING
@sessions@ DETAIL:  parameters: $1 = '1'
@sessions@ LOG:  statement: begin
@sessions@ LOG:  execute <unnamed>: WITH f AS (SELECT 1 FROM fences) UPDATE sends SET done = true
@sessions@ LOG:  statement: -- ping
@floor@ LOG:  execute stmtcache_2: SELECT session FROM whatsmeow_sessions WHERE our_jid=$1
@@ LOG:  checkpoint starting
@sessions@ LOG:  statement: commit
`)
	asked, frames := l.count("sessions")
	if asked != 2 || frames != 2 || l[statement{"sessions", "write sends"}] != 2 || l[statement{"floor", "read whatsmeow_sessions"}] != 1 || len(l) != 4 {
		t.Errorf("%v asked, %v frames, %v", asked, frames, l)
	}
	if text := l.list("sessions", 2); text != "1.00 × write sends, 0.50 × BEGIN, 0.50 × COMMIT" {
		t.Error(text)
	}
}
