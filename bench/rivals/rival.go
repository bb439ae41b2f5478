package rivals

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"session-manager/bench/ports"
)

// ErrMissing: a program is not installed.
var ErrMissing = errors.New("not installed")

// Rival is a server that runs.
type Rival struct {
	Name    string
	Address string // host:port where it serves

	port *ports.Port
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed when it has ended and been waited for
}

const (
	startTimeout = 10 * time.Second
	probeEvery   = 10 * time.Millisecond
	stopTimeout  = 2 * time.Second
	tailBytes    = 2 << 10 // of its output, in an error
)

// start runs a program that serves at an address, and returns once that can be connected. line
// is its path and arguments, by the address. What it prints goes to a file of its name in dir.
func start(ctx context.Context, name, dir string, env []string, line func(address string) ([]string, error)) (*Rival, error) {
	port, err := ports.Keep(ports.Loopback)
	if err != nil {
		return nil, err
	}
	r := &Rival{Name: name, Address: port.Address(), port: port, log: filepath.Join(dir, name+".log"), done: make(chan struct{})}
	if err := r.start(ctx, env, line); err != nil {
		port.Close()
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return r, nil
}

func (r *Rival) start(ctx context.Context, env []string, line func(address string) ([]string, error)) error {
	words, err := line(r.Address)
	if err != nil {
		return err
	}
	log, err := os.Create(r.log)
	if err != nil {
		return err
	}
	defer log.Close()
	r.cmd = exec.Command(words[0], words[1:]...)
	r.cmd.Dir, r.cmd.Env = filepath.Dir(r.log), append(os.Environ(), env...)
	r.cmd.Stdout, r.cmd.Stderr = log, log
	// SIGTERM if we die: at SIGKILL a master would leave its workers behind.
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := r.cmd.Start(); err != nil {
		return err
	}
	go func() { // ends with the process, which Close ends and waits for
		defer close(r.done)
		_ = r.cmd.Wait() // whoever misses it has the log
	}()
	if err := r.await(ctx); err != nil {
		r.end()
		return fmt.Errorf("%w\n%s", err, r.tail())
	}
	return nil
}

func (r *Rival) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("it does not serve after %v", startTimeout))
	defer cancel()
	var dialer net.Dialer
	for {
		conn, err := dialer.DialContext(ctx, "tcp", r.Address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-r.done:
			return fmt.Errorf("it ended: %v", r.cmd.ProcessState)
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(probeEvery):
		}
	}
}

// PID is that of its first process, which started the others.
func (r *Rival) PID() int { return r.cmd.Process.Pid }

// Close ends it with all that it started.
func (r *Rival) Close() {
	r.end()
	r.port.Close()
}

func (r *Rival) end() {
	_ = syscall.Kill(-r.PID(), syscall.SIGTERM) // gone already: the same to us
	select {
	case <-r.done:
	case <-time.After(stopTimeout):
	}
	_ = syscall.Kill(-r.PID(), syscall.SIGKILL)
	<-r.done
}

func (r *Rival) tail() string {
	raw, err := os.ReadFile(r.log)
	if err != nil {
		return err.Error()
	}
	text := strings.TrimSpace(string(raw[max(0, len(raw)-tailBytes):]))
	return "  " + r.Name + " | " + strings.ReplaceAll(text, "\n", "\n  "+r.Name+" | ")
}

// find is the path of a program; Debian's servers are in a directory that only root's PATH has.
func find(program, install string) (string, error) {
	for _, name := range []string{program, "/usr/sbin/" + program} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: %w: deploy/install.sh %s", program, ErrMissing, install)
}
