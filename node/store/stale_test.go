package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"session-manager/node/ownership"
)

// staleOwner makes the test program an owner that is about to be paused: it opens the store
// named here, owns cliente 5 under token 1.10 by a clock that never runs out, and makes all
// kinds of writes when it is told to.
const staleOwner = "SESSION_MANAGER_TEST_STALE_OWNER"

// runStaleOwner is that program. It says "ready" and, once a line has come, whether each
// write was fenced.
func runStaleOwner(url string) int {
	ctx := context.Background()
	s, err := Open(ctx, Config{URL: url, Process: ownership.Process{Node: "n1", Incarnation: "of-n1"}, Log: quiet})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer s.Close()
	newOwnership := func() *Account { a, _ := own2(s, 5, 10); return a }
	device, err := newOwnership().Device(ctx)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return 1
	}
	first := newOwnership()
	first.install(device, false)
	for name := range writes(first, device) {
		each := newOwnership() // the first fenced write ends an ownership; each gets one of its own
		each.install(device, false)
		if err := writes(each, device)[name](ctx); !errors.Is(err, ownership.ErrFenced) {
			fmt.Println(name, "was not fenced:", err)
		}
	}
	fmt.Println("done")
	return 0
}

// Invariant B between processes: an owner is stopped (SIGSTOP), another takes over and goes on,
// the owner continues (SIGCONT) and writes, sure that its lease holds. No stored row changes. On
// SQLite it is stopped outside a transaction, as one inside stops every other process.
func TestAPausedProcessChangesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url, "n1")
		a, own, _ := paired(t, s, 5, 10, "5491100000001")
		seed(t, a, own)

		cmd := exec.CommandContext(deadline(t), os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), staleOwner+"="+url)
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(stdout)
		if line, err := lines.ReadString('\n'); line != "ready\n" {
			t.Fatalf("%q, %v", line, err)
		}
		if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}

		successor := open(t, url, "n2")
		b, device, _ := paired(t, successor, 5, 20, "")
		if err := device.Sessions.PutSession(deadline(t), "them:1", []byte("the successor's")); err != nil {
			t.Fatal(err)
		}
		if _, err := reserve(deadline(t), b, stores(device), Send{Key: "after", MessageID: "A"}); err != nil {
			t.Fatal(err)
		}
		before := dump(t, successor)

		if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(stdin, "go\n"); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(lines)
		if err := errors.Join(err, cmd.Wait()); err != nil {
			t.Fatal(err)
		}
		if said := strings.TrimSpace(string(rest)); said != "done" {
			t.Errorf("the stale owner: %s", said)
		}
		if after := dump(t, successor); after != before {
			t.Errorf("rows changed:\n%s\nwere:\n%s", after, before)
		}
	})
}
