package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// tap is a writer that stands still until it is opened.
type tap struct {
	open chan struct{}
	mu   sync.Mutex // guards got
	got  bytes.Buffer
}

func (w *tap) Write(b []byte) (int, error) {
	<-w.open
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.got.Write(b)
}

// Lines that nobody takes are dropped and counted, what was queued comes later in order, and the gap is told.
func TestFaultF1LinesAreDroppedAndCounted(t *testing.T) {
	to := &tap{open: make(chan struct{})}
	var missed uint64
	l := newLines(to, func(n uint64) { missed += n })
	line := []byte(strings.Repeat("x", 1023) + "\n")
	const written = 3 * mostQueued / 1024
	for range written {
		if n, err := l.Write(line); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	dropped := l.Dropped()
	if dropped < written/3 || dropped > 2*written/3 {
		t.Errorf("%d of %d lines were dropped", dropped, written)
	}
	close(to.open)
	l.Close()
	if got := uint64(to.got.Len() / len(line)); got+dropped != written || missed != dropped {
		t.Errorf("%d lines came, %d were dropped, %d told; %d were written", got, dropped, missed, written)
	}
	if _, _ = l.Write(line); l.Dropped() != dropped+1 {
		t.Error("a line after the end is not counted")
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestFaultF2FailedWritesAreCounted(t *testing.T) {
	l := newLines(failing{}, func(uint64) { t.Error("told where nothing can be told") })
	_, _ = io.WriteString(l, "one\n")
	_, _ = io.WriteString(l, "two\n")
	l.Close()
	if l.Dropped() != 2 {
		t.Errorf("%d dropped, want 2", l.Dropped())
	}
}

// program is this test's binary as the program.
func program(t *testing.T, mode string, args ...string) *exec.Cmd {
	t.Helper()
	command := exec.Command(os.Args[0], args...)
	command.Env = append(os.Environ(), asProgram+"="+mode)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return command
}

// stuffed is a pipe that is full and that nobody reads.
func stuffed(t *testing.T) (write *os.File) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { read.Close(); write.Close() })
	if err := write.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	for err == nil { // until nothing more goes in
		_, err = write.Write(make([]byte, 4096))
	}
	for err = nil; err == nil; {
		_, err = write.Write([]byte("x"))
		if !errors.Is(err, os.ErrDeadlineExceeded) && err != nil {
			t.Fatal(err)
		}
	}
	return write
}

// abandoned is a pipe whose reader has ended.
func abandoned(t *testing.T) (write *os.File) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	read.Close()
	t.Cleanup(func() { write.Close() })
	return write
}

// A node whose output nobody reads, or whose reader has ended, serves, and ends as it should.
func TestFaultF1F2OutputThatNobodyReads(t *testing.T) {
	for name, pipe := range map[string]func(*testing.T) *os.File{"full": stuffed, "reader ended": abandoned} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := free(t)
			command := program(t, "node", "serve", "--listen", address, "--data", t.TempDir(), "--node-name", "n1", "--log-level", "debug",
				"--whatsapp-endpoint", "ws://127.0.0.1:1/ws/chat", "--whatsapp-root-key", strings.Repeat("a", 64))
			command.Stdout, command.Stderr = pipe(t), pipe(t)
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- command.Wait() }()
			stop := func() { _ = command.Process.Kill(); <-ended }
			limit := time.Now().Add(60 * time.Second)
			for get(t, "http://"+address+"/readyz") == "" {
				select {
				case err := <-ended:
					t.Fatal("it ended:", err)
				case <-time.After(20 * time.Millisecond):
				}
				if time.Now().After(limit) {
					stop()
					t.Fatal("not ready")
				}
			}
			text := get(t, "http://"+address+"/metrics")
			_, rest, _ := strings.Cut(text, "\nsession_manager_log_lines_dropped_total ")
			figure, _, _ := strings.Cut(rest, "\n")
			if n, err := strconv.ParseFloat(figure, 64); err != nil || name == "reader ended" && n == 0 {
				t.Errorf("%q lines dropped, %v", figure, err)
			}
			if err := command.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-ended:
				if err != nil {
					t.Error("after SIGTERM:", err)
				}
			case <-time.After(30 * time.Second):
				stop()
				t.Error("it does not end after SIGTERM")
			}
		})
	}
}

// get is the body of a good answer.
func get(t *testing.T, url string) string {
	t.Helper()
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get(url)
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		return ""
	}
	return string(body)
}

// A crash ends the process, though nobody reads what the runtime prints.
func TestFaultF1CrashIntoFullPipe(t *testing.T) {
	command := program(t, "panic")
	command.Stderr = stuffed(t)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	select {
	case err := <-ended:
		if command.ProcessState.ExitCode() != 2 {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		_ = command.Process.Kill()
		<-ended
		t.Error("it hangs in its own crash")
	}
}
