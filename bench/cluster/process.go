package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	probeEvery = 10 * time.Millisecond // between looks whether a process is ready
	tailLines  = 15                    // of a log, in an error
)

// ErrNotRunning: the process has ended, or was never started.
var ErrNotRunning = errors.New("process is not running")

// Process is one program that can be stopped, paused and started again. It is safe for
// concurrent use; of several Starts at once the later ones fail.
type Process struct {
	name  string
	enter []string // command that runs the program elsewhere; nil: here
	path  string
	args  []string
	log   string // file that stdout and stderr go to, appended to over restarts
	ready func(ctx context.Context, out string) (bool, error)

	trace *slog.Logger

	mu  sync.Mutex // guards path and run
	run *run       // the latest; nil before the first Start
}

// run is one life of a Process.
type run struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended and been waited for
	code int           // valid once done is closed
}

// Name is what the log file and the errors call it.
func (p *Process) Name() string { return p.name }

// LogPath is the file that it prints to.
func (p *Process) LogPath() string { return p.log }

// PID is that of the latest life; 0 before the first.
func (p *Process) PID() int {
	if r := p.current(); r != nil {
		return r.cmd.Process.Pid
	}
	return 0
}

// Running says whether it runs (or is paused).
func (p *Process) Running() bool {
	r := p.current()
	if r == nil {
		return false
	}
	select {
	case <-r.done:
		return false
	default:
		return true
	}
}

func (p *Process) current() *run {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.run
}

// Start starts the program and waits until it is ready. A program that ends before, or is not
// ready when ctx ends, is an error with the end of its log; in the latter case it runs on.
func (p *Process) Start(ctx context.Context) error {
	r, from, err := p.launch()
	if err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	for {
		out, err := readFrom(p.log, from)
		if err != nil {
			return fmt.Errorf("start %s: %w", p.name, err)
		}
		ok, err := p.ready(ctx, out)
		if ok || err != nil {
			return err
		}
		select {
		case <-r.done:
			return fmt.Errorf("start %s: it ended with code %d\n%s", p.name, r.code, p.Tail())
		case <-ctx.Done():
			return fmt.Errorf("start %s: it is not ready: %w\n%s", p.name, context.Cause(ctx), p.Tail())
		case <-time.After(probeEvery):
		}
	}
}

// Use has the next life run another program of the same name, as in an upgrade.
func (p *Process) Use(path string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.path = path
}

// Restart is Kill, where it still runs, and Start.
func (p *Process) Restart(ctx context.Context) error {
	if p.Running() {
		p.Kill()
	}
	return p.Start(ctx)
}

// launch starts a new life and says where in the log its output begins.
func (p *Process) launch() (*run, int64, error) {
	if p.Running() {
		return nil, 0, fmt.Errorf("process %d runs", p.PID())
	}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, 0, err
	}
	defer log.Close()
	info, err := log.Stat()
	if err != nil {
		return nil, 0, err
	}
	p.mu.Lock()
	line := slices.Concat(p.enter, []string{p.path}, p.args)
	p.mu.Unlock()
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Env = environment()
	cmd.Stdout, cmd.Stderr = log, log // a file, not a pipe: a slow reader must not stop the program
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return nil, 0, err
	}
	r := &run{cmd: cmd, done: make(chan struct{})}
	p.run = r
	p.trace.Info("process started", "process", p.name, "pid", cmd.Process.Pid)
	go func() { // ends with the process, which Close kills and waits for
		defer close(r.done)
		_ = cmd.Wait() // the state says it all
		r.code = exitCode(cmd.ProcessState)
	}()
	return r, info.Size(), nil
}

// exitCode is the program's own, or 128 + the signal that ended it, as shells have it.
func exitCode(s *os.ProcessState) int {
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return 128 + int(w.Signal())
	}
	return s.ExitCode()
}

// environment is ours without what would configure a node behind our back.
func environment() []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "SESSION_MANAGER_") && !strings.HasPrefix(e, "PORT=") && !strings.HasPrefix(e, "ETCD_") {
			env = append(env, e)
		}
	}
	return env
}

// Signal sends a signal to the whole process group.
func (p *Process) Signal(s syscall.Signal) error {
	if !p.Running() {
		return fmt.Errorf("%s: %w", p.name, ErrNotRunning)
	}
	if err := syscall.Kill(-p.PID(), s); err != nil {
		return fmt.Errorf("signal %s: %w", p.name, err)
	}
	return nil
}

// Kill ends it with SIGKILL and waits. It is nothing to a process that has ended.
func (p *Process) Kill() {
	if r := p.current(); r != nil {
		_ = p.Signal(syscall.SIGKILL) // gone already: the same to us
		<-r.done
	}
}

// Terminate asks it to end with SIGTERM, waits, and returns its exit code: 128 + n where
// signal n ended it. When ctx ends first it runs on, and that is an error.
func (p *Process) Terminate(ctx context.Context) (int, error) {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	return p.Wait(ctx)
}

// Wait waits for the end and returns the exit code as Terminate does.
func (p *Process) Wait(ctx context.Context) (int, error) {
	r := p.current()
	if r == nil {
		return 0, fmt.Errorf("%s: %w", p.name, ErrNotRunning)
	}
	select {
	case <-r.done:
		return r.code, nil
	case <-ctx.Done():
		return 0, fmt.Errorf("%s does not end: %w\n%s", p.name, context.Cause(ctx), p.Tail())
	}
}

// Pause stops it where it is (SIGSTOP): its sockets stay open, its clocks go on. Resume lets
// it go on.
func (p *Process) Pause() error { return p.Signal(syscall.SIGSTOP) }

// Resume undoes Pause.
func (p *Process) Resume() error { return p.Signal(syscall.SIGCONT) }

// Log is all that it has printed, over all its lives; "" where that cannot be read.
func (p *Process) Log() string {
	out, _ := readFrom(p.log, 0)
	return out
}

// Tail is the end of the log, each line indented and named.
func (p *Process) Tail() string {
	out, err := readFrom(p.log, 0)
	if err != nil {
		return "  " + p.name + " | " + err.Error()
	}
	lines := strings.Split(strings.TrimRight(out, "\n"), "\n")
	lines = lines[max(0, len(lines)-tailLines):]
	return "  " + p.name + " | " + strings.Join(lines, "\n  "+p.name+" | ")
}

// readyLine finds the complete line that a program of ours prints once it serves, and
// returns its words: "ready listen=ADDR" is {"listen": ADDR}.
func readyLine(out string) (map[string]string, bool) {
	for line := range strings.Lines(out) {
		rest, ok := strings.CutPrefix(line, "ready ")
		if !ok || !strings.HasSuffix(line, "\n") {
			continue
		}
		words := make(map[string]string)
		for field := range strings.FieldsSeq(rest) {
			key, value, _ := strings.Cut(field, "=")
			words[key] = value
		}
		return words, true
	}
	return nil, false
}

func readFrom(path string, offset int64) (string, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	return string(raw[min(offset, int64(len(raw))):]), nil
}
