package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	_ "modernc.org/sqlite" // database/sql driver "sqlite", in pure Go

	"session-manager/node/ownership"
)

// sqliteDialect: nothing waits between BEGIN IMMEDIATE and COMMIT, so a transaction sees the
// fence as it is when it commits. Several processes may share the file; one that is paused
// while it writes stops them all, which is why clusters use Postgres.
type sqliteDialect struct{ file string }

// migrationRetry is between two looks whether another node still migrates.
const migrationRetry = 50 * time.Millisecond

func openSQLite(cfg Config) (*sql.DB, dialect, error) {
	file := strings.TrimPrefix(strings.TrimPrefix(cfg.URL, "sqlite:"), "//")
	if file == "" {
		return nil, nil, errors.New("no file is named: want sqlite:FILE")
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, nil, err
	}
	// SQLite gives its log the permissions of the file, and the keys in it are nobody else's.
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, nil, err
	}
	if err := f.Close(); err != nil {
		return nil, nil, err
	}
	db, err := connectSQLite(file)
	return db, sqliteDialect{file: file}, err
}

func (d sqliteDialect) reserve(Config) (*sql.DB, error) { return connectSQLite(d.file) }

func connectSQLite(file string) (*sql.DB, error) {
	settings := url.Values{"_txlock": {"immediate"}, "_pragma": {
		"busy_timeout(5000)",
		"journal_mode(WAL)",
		"synchronous(FULL)", // a commit that a power cut undoes would use a ratchet step twice
		"foreign_keys(ON)",
	}}
	db, err := sql.Open("sqlite", "file:"+url.PathEscape(file)+"?"+settings.Encode())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

func (sqliteDialect) kind() string         { return "sqlite" }
func (sqliteDialect) compound() bool       { return false }
func (sqliteDialect) share() string        { return "" }
func (sqliteDialect) materialized() string { return "" }
func (sqliteDialect) blob(n int) string    { return fmt.Sprintf("$%d", n) }
func (sqliteDialect) text(n int) string    { return fmt.Sprintf("$%d", n) }
func (sqliteDialect) bigint(n int) string  { return fmt.Sprintf("$%d", n) }
func (sqliteDialect) boolean(n int) string { return fmt.Sprintf("$%d", n) }

func (sqliteDialect) explain(err error) error { return err }

func (sqliteDialect) list(texts []string) any {
	text, err := json.Marshal(append([]string{}, texts...)) // [], not null
	if err != nil {
		panic(err) // no text is none
	}
	return string(text)
}

func (sqliteDialect) elements(n int) string {
	return fmt.Sprintf("(SELECT value FROM json_each($%d))", n)
}

func (sqliteDialect) now() string { return "CAST(unixepoch('subsec') * 1000000 AS INTEGER)" }

func (d sqliteDialect) lock(ctx context.Context, _ *sql.DB, fn func() error) error {
	f, err := os.OpenFile(d.file+".migrate", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return fn()
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return err
		}
		select {
		case <-time.After(migrationRetry):
		case <-ctx.Done():
			return fmt.Errorf("another node migrates: %w", ctx.Err())
		}
	}
}

// raising has raises share a commit: after a restart there are as many as clientes.
func (sqliteDialect) raising(ctx context.Context, s *Store, fn func(ctx context.Context, q rower) error) error {
	return s.together.carryOut(ctx, &job{ended: func() {}, run: func(ctx context.Context) error { return fn(ctx, s.db.Execable(ctx)) }})
}

func (sqliteDialect) prepare(context.Context, *Store) {}
func (sqliteDialect) unblock(context.Context, *Store, ownership.Process, error) bool {
	return false
}
