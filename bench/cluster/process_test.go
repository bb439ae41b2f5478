package cluster_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"session-manager/bench/cluster"
)

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(context.Background(), d, errors.New("waited "+d.String()))
	t.Cleanup(cancel)
	return ctx
}

// fakes starts fake nodes, which need nothing else.
func fakes(t *testing.T, nodes int, told ...string) (*cluster.Cluster, error) {
	t.Helper()
	dir := t.TempDir()
	for _, what := range told {
		if err := os.WriteFile(filepath.Join(dir, what), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c, err := cluster.Start(within(t, soon), cluster.Options{
		Nodes: nodes, Embedded: true, BinDir: fakeDir(t), Dir: dir,
	})
	if c != nil {
		t.Cleanup(func() {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	return c, err
}

func mustFakes(t *testing.T, told ...string) *cluster.Node {
	t.Helper()
	c, err := fakes(t, 1, told...)
	if err != nil {
		t.Fatal(err)
	}
	return c.Nodes()[0]
}

func TestTerminateReturnsTheExitCode(t *testing.T) {
	n := mustFakes(t)
	if !n.Running() || n.URL() == "http://" || n.PeerURL() == "http://" || n.GossipAddr() == "" {
		t.Fatalf("running %v, url %s, peer %s, gossip %s", n.Running(), n.URL(), n.PeerURL(), n.GossipAddr())
	}
	code, err := n.Terminate(within(t, soon))
	if code != 0 || err != nil || n.Running() {
		t.Fatalf("code %d, %v, running %v", code, err, n.Running())
	}
	if err := n.Signal(syscall.SIGTERM); !errors.Is(err, cluster.ErrNotRunning) {
		t.Fatalf("signal after the end: %v", err)
	}
}

func TestTerminateSaysWhoDoesNotEnd(t *testing.T) {
	n := mustFakes(t, "deaf")
	_, err := n.Terminate(within(t, 300*time.Millisecond))
	if err == nil || !strings.Contains(err.Error(), "node1 does not end") || !strings.Contains(err.Error(), "not ready yet") {
		t.Fatalf("want an error with the node's name and its log, got %v", err)
	}
	if !n.Running() {
		t.Fatal("it was ended all the same")
	}
}

func TestKillIsCode137(t *testing.T) {
	n := mustFakes(t, "deaf")
	n.Kill()
	if code, err := n.Wait(within(t, soon)); code != 128+int(syscall.SIGKILL) || err != nil {
		t.Fatalf("code %d, %v", code, err)
	}
}

func TestRestartKeepsAddresses(t *testing.T) {
	n := mustFakes(t)
	url, pid := n.URL(), n.PID()
	for range 3 {
		if err := n.Restart(within(t, soon)); err != nil {
			t.Fatal(err)
		}
	}
	if n.URL() != url || n.PID() == pid {
		t.Fatalf("url %s, was %s; pid %d, was %d", n.URL(), url, n.PID(), pid)
	}
	if err := n.Start(within(t, soon)); err == nil {
		t.Fatal("started twice")
	}
}

func TestPauseStopsAndResumeGoesOn(t *testing.T) {
	n := mustFakes(t)
	if err := n.Pause(); err != nil {
		t.Fatal(err)
	}
	await(t, "stopped", func() bool { return state(t, n.PID()) == "T" })
	if err := n.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Wait(within(t, 100*time.Millisecond)); err == nil {
		t.Fatal("a paused process ended by SIGTERM")
	}
	if err := n.Resume(); err != nil {
		t.Fatal(err)
	}
	if code, err := n.Wait(within(t, soon)); code != 0 || err != nil {
		t.Fatalf("code %d, %v", code, err)
	}
}

// state is the kernel's letter: T is stopped.
func state(t *testing.T, pid int) string {
	t.Helper()
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))[0]
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	err := cluster.Await(within(t, soon), what, func(context.Context) (bool, string, error) { return ok(), "no", nil })
	if err != nil {
		t.Fatal(err)
	}
}

func TestStartOfWhatEndsShowsItsLog(t *testing.T) {
	_, err := fakes(t, 1, "end")
	if err == nil || !strings.Contains(err.Error(), "code 7") || !strings.Contains(err.Error(), "told to end") {
		t.Fatalf("want code and log, got %v", err)
	}
}

func TestStartOfWhatIsNeverReadyEndsWithCtx(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mute"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := cluster.Start(within(t, 300*time.Millisecond), cluster.Options{Nodes: 1, Embedded: true, BinDir: fakeDir(t), Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "node1: it is not ready: waited 300ms") {
		t.Fatalf("got %v", err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "node1.log"))
	if err != nil || !strings.Contains(string(raw), "not ready yet") {
		t.Fatalf("log %q, %v", raw, err)
	}
}

func TestStartNamesMissingPrograms(t *testing.T) {
	_, err := cluster.Start(within(t, soon), cluster.Options{Nodes: 1, BinDir: t.TempDir()})
	if !errors.Is(err, cluster.ErrNotBuilt) {
		t.Fatalf("got %v", err)
	}
}

// Children of a node belong to its group and go with it.
func TestCloseLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "parent"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := cluster.Start(within(t, soon), cluster.Options{Nodes: 1, Embedded: true, BinDir: fakeDir(t), Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(c.Nodes()[0].LogPath())
	if err != nil {
		t.Fatal(err)
	}
	child := 0
	for line := range strings.Lines(string(raw)) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "child "); ok {
			if child, err = strconv.Atoi(text); err != nil {
				t.Fatal(err)
			}
		}
	}
	if child == 0 || len(c.PIDs()) != 1 {
		t.Fatalf("child %d, PIDs %v, log %q", child, c.PIDs(), raw)
	}
	pid := c.PIDs()[0]
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	await(t, "child gone", func() bool { return gone(child) && gone(pid) })
	if len(c.PIDs()) != 0 {
		t.Errorf("PIDs after Close: %v", c.PIDs())
	}
	if _, err := c.AddNode(within(t, soon)); err == nil {
		t.Error("a node was added to a closed cluster")
	}
}

// gone: no such process, or one that has ended and whose parent (init) is yet to look.
func gone(pid int) bool {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(raw), ") Z ")
}
