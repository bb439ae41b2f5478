package etcd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"session-manager/node/ownership"
)

// childDir names the environment variable that turns this test binary into a process with an
// embedded etcd in that directory, until its standard input ends.
const childDir = "EMBEDDED_ETCD_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := child(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func child(dir string) error {
	e, err := StartEmbedded(context.Background(), EmbeddedConfig{Dir: dir, Log: quiet})
	if err != nil {
		return err
	}
	defer e.Close()
	fmt.Println(e.Endpoint())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

var quiet = slog.New(slog.DiscardHandler)

// embedded starts an etcd that ends with the test.
func embedded(t *testing.T) *Embedded {
	t.Helper()
	e, err := StartEmbedded(context.Background(), EmbeddedConfig{Dir: t.TempDir(), Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// server starts an embedded etcd, which is the real server, and a client of it.
func server(t *testing.T) *Client {
	t.Helper()
	return client(t, embedded(t).Endpoint())
}

func client(t *testing.T, endpoint string) *Client {
	t.Helper()
	c, err := Open(Config{Endpoints: []string{endpoint}, Prefix: "/test/", Timing: ownership.DefaultTiming(), Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// nervous is a client that looks at its view four times a second.
func nervous(t *testing.T, endpoint string, log *slog.Logger) *Client {
	t.Helper()
	timing := ownership.DefaultTiming()
	timing.TTL, timing.Margin, timing.Exit, timing.Stop = 2*time.Second, 1200*time.Millisecond, time.Second, 500*time.Millisecond
	timing.Renew, timing.RenewTimeout, timing.NoteLead = 250*time.Millisecond, 240*time.Millisecond, 500*time.Millisecond
	c, err := Open(Config{Endpoints: []string{endpoint}, Prefix: "/test/", Timing: timing, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func grant(t *testing.T, c *Client) int64 {
	t.Helper()
	id, ttl, err := c.Grant(deadline(t), 5*time.Second)
	if err != nil || ttl < 5*time.Second {
		t.Fatalf("grant: %v, ttl %v", err, ttl)
	}
	return id
}

// grantLong grants a lease that outlives the test.
func grantLong(t *testing.T, c *Client) int64 {
	t.Helper()
	id, _, err := c.Grant(deadline(t), 10*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

var me = ownership.Process{Node: "n1", Incarnation: "i1"}

// watch makes a view that ends with the test.
func watch(t *testing.T, c *Client) *View {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	v, err := c.Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// next reads one event.
func next(t *testing.T, v *View) Event {
	t.Helper()
	select {
	case e := <-v.Events():
		return e
	case <-time.After(30 * time.Second):
		t.Fatal("no event")
		return Event{}
	}
}

// eventually waits for what a view or a server comes to by itself.
func eventually(t *testing.T, within time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	start := time.Now()
	for !ok() {
		if time.Since(start) > within {
			t.Fatalf("not within %v: %s", within, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(start)
}

func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}
