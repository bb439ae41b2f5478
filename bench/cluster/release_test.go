package cluster_test

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"database/sql"

	"session-manager/bench/cluster"
	"session-manager/node/ownership"
)

// releaseBefore is the source of the release before: what its session-manager is built of, at that commit. It is
// kept here so that the test needs no history of the repository, of which a checkout may hold one commit.
//
//	git archive 5496dd9 $(git ls-tree -r --name-only 5496dd9 -- cmd/session-manager node ring router go.mod go.sum |
//		grep -v _test.go | grep -v testdata) | gzip -9n
const releaseBefore = "testdata/5496dd9.tar.gz"

// buildReleaseBefore builds it, and returns the program.
func buildReleaseBefore(t *testing.T) string {
	t.Helper()
	source := t.TempDir()
	if err := unpack(releaseBefore, source); err != nil {
		t.Fatalf("the source of the release before: %v", err)
	}
	program := filepath.Join(source, "session-manager")
	build := exec.Command("go", "build", "-ldflags", "-w", "-o", program, "./cmd/session-manager")
	build.Dir = source
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the release before: %v\n%s", err, out)
	}
	return program
}

func unpack(archive, dir string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	zipped, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	for files := tar.NewReader(zipped); ; {
		head, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if head.Typeflag != tar.TypeReg {
			continue
		}
		path := filepath.Join(dir, filepath.FromSlash(head.Name))
		text, err := io.ReadAll(files)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(path), 0o755)
		}
		if err == nil {
			err = os.WriteFile(path, text, 0o644)
		}
		if err != nil {
			return err
		}
	}
}

// correspondence is what goes out and what comes in until stop is called: texts that were acknowledged to their
// callers, and IDs that the accounts have acknowledged.
type correspondence struct {
	w      *world
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu       sync.Mutex // guards what follows
	sent     []string
	incoming map[string]ownership.Cliente
}

func (w *world) correspond(every time.Duration) *correspondence {
	c := &correspondence{w: w, incoming: make(map[string]ownership.Cliente)}
	var ctx context.Context
	ctx, c.cancel = context.WithCancel(context.Background())
	c.work.Go(func() {
		pace := time.NewTicker(every)
		defer pace.Stop()
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-pace.C:
			}
			cliente := w.clientes[n%len(w.clientes)]
			c.work.Go(func() { c.send(cliente, fmt.Sprintf("release %d", n)) })
			id, err := w.Emulator.SendMessage(context.Background(), ana, cluster.NumberOf(cliente), fmt.Sprintf("hola %d", n))
			if err != nil {
				w.t.Errorf("Ana writes: %v", err)
				continue
			}
			c.mu.Lock()
			c.incoming[id] = cliente
			c.mu.Unlock()
		}
	})
	return c
}

// send sends by a careful caller: it asks again until it has an answer.
func (c *correspondence) send(cliente ownership.Cliente, text string) {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	m := message(cliente, text)
	for ctx.Err() == nil {
		client := c.w.Client() // of those that run now
		try, stop := context.WithTimeout(ctx, 25*time.Second)
		_, err := client.Send(try, cliente, m)
		stop()
		if err == nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.sent = append(c.sent, m.Text)
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	c.w.t.Errorf("%q was never acknowledged", m.Text)
}

func (c *correspondence) stop() {
	c.cancel()
	c.work.Wait()
}

// stored are the IDs of incoming messages in the store, of both releases.
func stored(ctx context.Context, t *testing.T, db *sql.DB, table string) map[string]int {
	t.Helper()
	query := "SELECT message_id FROM outbox"
	if table == "events" {
		query = "SELECT substr(identity, strpos(identity, '/') + 1) FROM events WHERE event = 'message'"
	}
	counts := make(map[string]int)
	for _, id := range column(ctx, t, db, query) {
		counts[id]++
	}
	return counts
}

// Node by node a cluster is upgraded from the release before, put back, and upgraded again, under load: nothing
// is lost, and nothing comes twice.
func TestTheReleaseBeforeRunsBeside(t *testing.T) {
	before := buildReleaseBefore(t)
	now := filepath.Join(built.Dir(t), "session-manager")
	w := beginWith(t, 4, cluster.Options{Nodes: 2, Store: cluster.Postgres}, before)
	db, err := sql.Open("pgx", w.Store.URL())
	w.must(err)
	defer db.Close()

	c := w.correspond(100 * time.Millisecond)
	answered := make(map[string]string) // message IDs by text
	for round, program := range []string{now, before, now} {
		for _, n := range w.Nodes() {
			for _, cliente := range w.clientes { // a key has one answer, whoever gives it
				text := fmt.Sprint("kept ", cliente)
				sent := w.send(w.Client(), cliente, text)
				if id, known := answered[text]; known && id != sent.MessageID {
					t.Errorf("round %d: %q went out as %s and as %s", round, text, id, sent.MessageID)
				}
				answered[text] = sent.MessageID
			}
			ctx := within(t, 60*time.Second)
			if _, err := n.Terminate(ctx); err != nil {
				t.Fatal(err)
			}
			n.Use(program)
			w.must(n.Start(ctx))
			for _, cliente := range w.clientes {
				_, err := w.Client().WaitReady(ctx, cliente)
				w.must(err)
			}
		}
	}
	c.stop()
	for id, cliente := range c.incoming {
		if _, err := w.WaitAcknowledged(within(t, soon), cluster.NumberOf(cliente), id, 0); err != nil {
			t.Error(err)
		}
	}
	ctx := within(t, soon)
	w.must(cluster.Await(ctx, "the outbox moved", func(ctx context.Context) (bool, string, error) {
		left := stored(ctx, t, db, "outbox")
		return len(left) == 0, fmt.Sprintf("%d rows", len(left)), nil
	}))
	have := stored(ctx, t, db, "events")
	for _, id := range slices.Sorted(maps.Keys(c.incoming)) {
		if have[id] != 1 {
			t.Errorf("message %s is stored %d times", id, have[id])
		}
	}
	w.shownOnce(c.sent)
	t.Logf("%d texts sent, %d received", len(c.sent), len(c.incoming))
	w.clean(0)
}
