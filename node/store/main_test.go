package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"session-manager/bench/postgres"
	"session-manager/node/ownership"
)

var databases postgres.Tests

func TestMain(m *testing.M) {
	if url := os.Getenv(staleOwner); url != "" {
		os.Exit(runStaleOwner(url))
	}
	code := databases.Run(m)
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

var quiet = slog.New(slog.DiscardHandler)

// onBoth runs a test on an empty Postgres database and on an empty SQLite file.
func onBoth(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("postgres", func(t *testing.T) { test(t, databases.URL(t)) })
	t.Run("sqlite", func(t *testing.T) { test(t, "sqlite:"+filepath.Join(t.TempDir(), "store.db")) })
}

func open(t *testing.T, url, node string) *Store {
	t.Helper()
	s, err := Open(deadline(t), Config{URL: url, Process: ownership.Process{Node: node, Incarnation: "of-" + node}, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// own raises the fence and returns the account under it.
func own(t *testing.T, s *Store, c ownership.Cliente, revision int64) (*Account, *ownership.Hold) {
	t.Helper()
	token := ownership.Token{Generation: 1, Revision: revision}
	if _, _, err := s.Raise(deadline(t), c, token, nil); err != nil {
		t.Fatal(err)
	}
	lease := ownership.NewLease(1, time.Now(), time.Hour, time.Second)
	hold := ownership.NewHold(context.Background(), c, token, lease)
	t.Cleanup(func() { hold.End(ownership.ErrReleased) })
	return s.Account(hold), hold
}

// dump is the content of every table but the fences, as text.
func dump(t *testing.T, s *Store) string {
	t.Helper()
	query := "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1"
	if s.Kind() == "sqlite" {
		query = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1"
	}
	var text strings.Builder
	for _, table := range column(t, s, query) {
		if table == "fences" {
			continue
		}
		rows, err := s.db.RawDB.Query("SELECT * FROM " + table)
		if err != nil {
			t.Fatal(err)
		}
		names, _ := rows.Columns()
		var lines []string
		for rows.Next() {
			values := make([]any, len(names))
			for i := range values {
				values[i] = new(any)
			}
			if err := rows.Scan(values...); err != nil {
				t.Fatal(err)
			}
			line := table
			for i, v := range values {
				line += fmt.Sprintf(" %s=%v", names[i], *v.(*any))
			}
			lines = append(lines, line)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Fatal(err)
		}
		text.WriteString(strings.Join(lines, "\n") + "\n")
	}
	return text.String()
}

func column(t *testing.T, s *Store, query string) (list []string) {
	t.Helper()
	rows, err := s.db.RawDB.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var v sql.NullString
		if err := rows.Scan(&v); err != nil {
			t.Fatal(err)
		}
		list = append(list, v.String)
	}
	return list
}
