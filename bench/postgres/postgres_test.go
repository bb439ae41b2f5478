package postgres

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func start(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := Start(deadline(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// query runs one statement on a connection of its own and returns its only value.
func query(ctx context.Context, url, statement string) (value int, err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	err = conn.QueryRow(ctx, statement).Scan(&value)
	return value, err
}

func fill(t *testing.T, url string) {
	t.Helper()
	conn, err := pgx.Connect(deadline(t), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(deadline(t), "CREATE TABLE kept AS SELECT 42 AS n"); err != nil {
		t.Fatal(err)
	}
}

func wantKept(t *testing.T, url, after string) {
	t.Helper()
	if n, err := query(deadline(t), url, "SELECT n FROM kept"); err != nil || n != 42 {
		t.Errorf("after %s: %d, %v", after, n, err)
	}
}

func TestDataOutlivesTheServer(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // the unprivileged user passes through
		t.Fatal(err)
	}
	s := start(t, Options{Dir: dir, Durable: true})
	url, err := s.NewDatabase(deadline(t), "one")
	if err != nil {
		t.Fatal(err)
	}
	fill(t, url)
	if err := s.Restart(deadline(t)); err != nil {
		t.Fatal(err)
	}
	wantKept(t, url, "a restart")
	for range 10 { // a backend that outlives its server by a moment keeps the next from starting
		s.Kill()
		if _, err := query(deadline(t), url, "SELECT 1"); err == nil {
			t.Error("a killed server answers")
		}
		if err := s.Run(deadline(t)); err != nil {
			t.Fatal(err)
		}
	}
	wantKept(t, url, "a crash")
	s.Close()
	again := start(t, Options{Dir: dir})
	wantKept(t, again.url("one"), "another Start on its directory")
}

func TestPause(t *testing.T) {
	s := start(t, Options{})
	if err := s.Pause(); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if _, err := query(short, s.URL(), "SELECT 1"); err == nil || short.Err() == nil {
		t.Errorf("a paused server answers: %v", err)
	}
	if err := s.Resume(); err != nil {
		t.Fatal(err)
	}
	if n, err := query(deadline(t), s.URL(), "SELECT 1"); err != nil || n != 1 {
		t.Errorf("after Resume: %d, %v", n, err)
	}
}

// Close ends even a server that is paused, leaves nothing behind, and may be called again.
func TestClose(t *testing.T) {
	s := start(t, Options{})
	if err := s.Pause(); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	s.Close()
	s.Close()
	s.Kill()
	if took := time.Since(begun); took > 15*time.Second {
		t.Errorf("closing took %v", took)
	}
	if _, err := os.Stat(s.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory stands: %v", err)
	}
	if _, err := query(deadline(t), s.URL(), "SELECT 1"); err == nil {
		t.Error("the server answers")
	}
}
