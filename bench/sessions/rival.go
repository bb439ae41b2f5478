package sessions

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"session-manager/bench/floor"
	"session-manager/bench/measure"
)

const (
	rivalProgram = "bench"
	// loginsAtOnce is how many logins of the rival are under way; more are no faster.
	loginsAtOnce = 32
	rivalStart   = 30 * time.Second
)

// rival is bare whatsmeow in a process of its own.
type rival struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended and been waited for
	log  string        // what it prints
	base string
}

// startRival starts the process and waits until it takes orders. It has logged nobody in.
func startRival(ctx context.Context, env measure.Env, store, emulatorURL string) (*rival, error) {
	file, err := os.CreateTemp(env.Dir, "floor-*.log")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	r := &rival{log: file.Name(), done: make(chan struct{})}
	r.cmd = exec.Command(filepath.Join(env.BinDir, rivalProgram), "floor", "--store", store, "--emulator", emulatorURL)
	r.cmd.Stdout, r.cmd.Stderr = file, file
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { // ends with the process, which kill kills and waits for
		defer close(r.done)
		_ = r.cmd.Wait()
	}()
	ctx, cancel := context.WithTimeout(ctx, rivalStart)
	defer cancel()
	for {
		out, err := os.ReadFile(r.log)
		if err != nil {
			r.kill()
			return nil, err
		}
		if _, rest, ok := strings.Cut(string(out), "ready listen="); ok && strings.HasSuffix(rest, "\n") {
			r.base = "http://" + strings.TrimSpace(rest)
			return r, nil
		}
		select {
		case <-r.done:
			return nil, fmt.Errorf("the rival ended at start: %s", out)
		case <-ctx.Done():
			r.kill()
			return nil, fmt.Errorf("the rival does not start: %w: %s", ctx.Err(), out)
		case <-time.After(time.Millisecond):
		}
	}
}

func (r *rival) pid() int { return r.cmd.Process.Pid }

// kill ends the process and waits.
func (r *rival) kill() {
	_ = r.cmd.Process.Kill() // it may have ended
	<-r.done
}

// stop has the process end in its own way: its clients close their sockets.
func (r *rival) stop(ctx context.Context) error {
	ctx, cancel := limited(ctx)
	defer cancel()
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		r.kill()
		return fmt.Errorf("the rival does not end: %w", context.Cause(ctx))
	}
}

func (r *rival) pair(ctx context.Context, numbers []string, atOnce int) error {
	return r.order(ctx, http.MethodPost, "/pair", floor.Logins{Numbers: numbers, AtOnce: atOnce}, nil)
}

// connect logs in what is stored: all of it, or the numbers.
func (r *rival) connect(ctx context.Context, numbers ...string) error {
	return r.order(ctx, http.MethodPost, "/connect", floor.Logins{Numbers: numbers, AtOnce: loginsAtOnce}, nil)
}

func (r *rival) send(ctx context.Context, t floor.Texts) (out floor.Sent, err error) {
	err = r.order(ctx, http.MethodPost, "/send", t, &out)
	return out, err
}

func (r *rival) collect(ctx context.Context) error {
	return r.order(ctx, http.MethodPost, "/collect", struct{}{}, nil)
}

func (r *rival) report(ctx context.Context) (out floor.Report, err error) {
	err = r.order(ctx, http.MethodGet, "/report", struct{}{}, &out)
	return out, err
}

func (r *rival) order(ctx context.Context, method, path string, in, out any) error {
	ctx, cancel := limited(ctx)
	defer cancel()
	raw, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, r.base+path, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("order to the rival: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New("the rival: " + strings.TrimSpace(string(body)))
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(body, out)
}
