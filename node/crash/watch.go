package crash

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"session-manager/node/ownership"
)

// Case is what a judge is told, before it waits.
type Case struct {
	Report  string            `json:"report"` // file
	Process ownership.Process `json:"process"`
	Store   string            `json:"store"`
	// StorePasswordFile holds the password of the store, where it is not in Store.
	StorePasswordFile string `json:"store_password_file,omitempty"`
}

const (
	// judgeAgain is between the starts of two judges, where one has ended though the process goes on.
	judgeAgain = 10 * time.Second
	// judgeTries is how long a judge tries to reach the store.
	judgeTries = 30 * time.Second
	judgePause = 200 * time.Millisecond
	// judgeEnd is how long the process waits for its judge to end, when it ends in good order.
	judgeEnd = time.Second
)

// Watch keeps a judge until ctx ends: command, which is given the case on its standard input and learns of
// this process's end by the input's.
func Watch(ctx context.Context, command []string, c Case, log *slog.Logger) {
	for ctx.Err() == nil {
		err := watch(ctx, command, c)
		if ctx.Err() != nil {
			return
		}
		log.Warn("the process that judges this one's crash has ended: the next start would judge it, and another one is started meanwhile", "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(judgeAgain):
		}
	}
}

func watch(ctx context.Context, command []string, c Case) error {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // who kills the process's group does not mean its judge
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	err = json.NewEncoder(in).Encode(c)
	select {
	case <-ctx.Done():
		_ = in.Close()
		select {
		case <-ended:
		case <-time.After(judgeEnd):
			_ = cmd.Process.Kill()
			<-ended
		}
		return ctx.Err()
	case waited := <-ended:
		if err == nil {
			err = waited
		}
		return fmt.Errorf("judge: %w", err)
	}
}

// Wait is the judge's life: it reads its case, waits for the end of in, which is the end of the process
// that wrote it, and judges. open connects to the court.
func Wait(in io.Reader, open func(Case) (Court, error), log *slog.Logger) error {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE) // it ends with its parent, and after it
	var c Case
	decoder := json.NewDecoder(in)
	if err := decoder.Decode(&c); err != nil {
		return fmt.Errorf("read the case: %w", err)
	}
	debug.FreeOSMemory() // it is here to wait
	_, _ = io.Copy(io.Discard, in)
	// Nobody is left to end a judge whose standard error takes no line.
	defer time.AfterFunc(judgeTries+judgeEnd, func() { os.Exit(1) }).Stop()
	ctx, cancel := context.WithTimeout(context.Background(), judgeTries)
	defer cancel()
	if report, _, err := read(c.Report); err != nil || report == "" {
		return err
	}
	for {
		err := func() error {
			court, err := open(c)
			if err != nil {
				return err
			}
			if closer, ok := court.(io.Closer); ok {
				defer closer.Close()
			}
			return Judge(ctx, c.Report, c.Process, court, log)
		}()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; the node's next start tries again", err)
		case <-time.After(judgePause):
		}
	}
}
