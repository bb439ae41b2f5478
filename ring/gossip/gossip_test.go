package gossip

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// memberlist's Shutdown does not wait for the probe that is under way, which on a busy machine
// takes up to nine probe intervals of 500 ms (its awareness of its own health stretches them).
const probeEnds = 10 * time.Second

func TestMain(m *testing.M) {
	code := m.Run()
	leak := goleak.Find()
	for end := time.Now().Add(probeEnds); leak != nil && time.Now().Before(end); {
		leak = goleak.Find() // which waits by itself
	}
	if code == 0 && leak != nil {
		fmt.Fprintln(os.Stderr, leak)
		code = 1
	}
	os.Exit(code)
}

func start(t *testing.T, name string, secret []byte, seeds ...string) *Gossip {
	t.Helper()
	var secrets [][]byte
	if secret != nil {
		secrets = [][]byte{secret}
	}
	g, err := Start(Config{Name: name, Bind: "127.0.0.1:0", Secrets: secrets, Seeds: func() []string { return seeds }, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	return g
}

// waitAlive waits until g sees exactly these names.
func waitAlive(t *testing.T, g *Gossip, want ...string) {
	t.Helper()
	deadline := time.After(15 * time.Second)
	for {
		changed := g.Changed()
		var names []string
		for _, m := range g.Alive() {
			names = append(names, m.Name)
		}
		if slices.Equal(names, want) {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("%s sees %v, want %v", g.cfg.Name, names, want)
		}
	}
}

func TestJoinLeaveCrash(t *testing.T) {
	a := start(t, "a", nil)
	b := start(t, "b", nil, a.Addr())
	c := start(t, "c", nil, a.Addr())
	for _, g := range []*Gossip{a, b, c} {
		waitAlive(t, g, "a", "b", "c")
	}
	if err := c.Leave(time.Second); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	waitAlive(t, a, "a", "b")
	waitAlive(t, b, "a", "b")
	_ = b.Close() // as a crash: nobody is told
	waitAlive(t, a, "a")
}

func TestRestartTakesTheNameBack(t *testing.T) {
	a := start(t, "a", nil)
	b := start(t, "b", nil, a.Addr())
	waitAlive(t, a, "a", "b")
	_ = b.Close()
	waitAlive(t, a, "a")
	again := start(t, "b", nil, a.Addr()) // on another port
	waitAlive(t, a, "a", "b")
	for deadline := time.Now().Add(5 * time.Second); a.Alive()[1].Address != again.Addr(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("b is still at %s", a.Alive()[1].Address)
		}
	}
}

// lines counts what is logged as a warning or worse.
type lines struct {
	mu  sync.Mutex // guards all
	all []string
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, string(p))
	return len(p), nil
}

// TestFaultF13: a node that was killed and comes back at once, at another address, is alive there as soon as
// its past life is found dead. The others say so once, not at each message of either.
func TestFaultF13(t *testing.T) {
	var log lines
	var mu sync.Mutex // guards seeds
	var seeds []string
	a, err := Start(Config{Name: "a", Bind: "127.0.0.1:0", Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Seeds: func() []string { mu.Lock(); defer mu.Unlock(); return seeds }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	b := start(t, "b", nil, a.Addr())
	waitAlive(t, a, "a", "b")
	_ = b.Close() // as a kill
	again := start(t, "b", nil, a.Addr())
	mu.Lock()
	seeds = []string{again.Addr()} // etcd knows of it
	mu.Unlock()
	a.Nudge()
	there := func() bool {
		return slices.ContainsFunc(a.Alive(), func(m Member) bool { return m.Name == "b" && m.Address == again.Addr() })
	}
	for deadline := time.Now().Add(20 * time.Second); !there(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("alive: %v", a.Alive())
		}
	}
	log.mu.Lock()
	defer log.mu.Unlock()
	conflicts := 0
	for _, line := range log.all {
		if strings.Contains(line, "two addresses") || strings.Contains(line, "Conflicting") {
			conflicts++
		}
	}
	if conflicts > 1 {
		t.Errorf("said %d times:\n%s", conflicts, strings.Join(log.all, ""))
	}
}

func TestWrongSecretStaysOut(t *testing.T) {
	a := start(t, "a", bytes.Repeat([]byte{1}, 32))
	b := start(t, "b", bytes.Repeat([]byte{2}, 32), a.Addr())
	c := start(t, "c", nil, a.Addr())
	d := start(t, "d", bytes.Repeat([]byte{1}, 32), a.Addr())
	waitAlive(t, d, "a", "d")
	waitAlive(t, a, "a", "d")
	waitAlive(t, b, "b")
	waitAlive(t, c, "c")
}

func TestNameConflictIsNoticed(t *testing.T) {
	a := start(t, "same", nil)
	start(t, "same", nil, a.Addr())
	for deadline := time.Now().Add(5 * time.Second); a.Conflict() == nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("two nodes of one name, and none notices")
		}
	}
}

func TestBadAddresses(t *testing.T) {
	for _, cfg := range []Config{{Bind: "nonsense"}, {Bind: "127.0.0.1:x"}, {Bind: "127.0.0.1:0", Advertise: "x"}} {
		cfg.Name, cfg.Log, cfg.Seeds = "a", slog.New(slog.DiscardHandler), func() []string { return nil }
		if _, err := Start(cfg); err == nil {
			t.Errorf("%+v is accepted", cfg)
		}
	}
}
