package postgres

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"
)

// shared is the one server of a test program, started by the first test that asks for it.
type shared struct {
	mu     sync.Mutex // guards what follows
	server *Server
	err    error
	count  int
}

// Tests gives the tests of one package fresh databases on one server.
type Tests struct{ shared shared }

// Run runs the tests, then stops the server. TestMain passes its result to os.Exit.
func (t *Tests) Run(m *testing.M) int {
	code := m.Run()
	t.Close()
	return code
}

// Close stops the server where one was started.
func (t *Tests) Close() {
	t.shared.mu.Lock()
	defer t.shared.mu.Unlock()
	if t.shared.server != nil {
		t.shared.server.Close()
		t.shared.server = nil
	}
}

// URL is that of a new, empty database. It fails the test where there is no Postgres.
func (t *Tests) URL(tb testing.TB) string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	t.shared.mu.Lock()
	defer t.shared.mu.Unlock()
	if t.shared.server == nil && t.shared.err == nil {
		t.shared.server, t.shared.err = Start(ctx, Options{})
	}
	if t.shared.err != nil {
		tb.Fatal(t.shared.err)
	}
	t.shared.count++
	url, err := t.shared.server.NewDatabase(ctx, fmt.Sprintf("test_%d_%d", os.Getpid(), t.shared.count))
	if err != nil {
		tb.Fatal(err)
	}
	return url
}
