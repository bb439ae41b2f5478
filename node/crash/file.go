package crash

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"session-manager/node/ownership"
)

const (
	// reports is the directory of the reports, within the data directory. A report is named after the
	// process that wrote it, and judged is added once it has been judged.
	reports = "crashes"
	judged  = ".judged"
	// reserved are bytes of the disk that a report finds even where the disk is full.
	reserved = 64 << 10
	// longest is how much of a report is read: what matters comes first.
	longest = 1 << 20
	// kept are how many judged reports stay for people to read.
	kept = 16
)

// Conviction is a crash of a process, and the cliente to blame.
type Conviction struct {
	Cliente ownership.Cliente
	Process ownership.Process // that died
	Ago     time.Duration     // how long ago
	Cause   string            // the first line of the report
}

// Court is where convictions are kept, for all nodes to see.
type Court interface {
	// Convict returns for how long the cliente is to rest, from now; 0 where it has rested already. A
	// process convicts once, however often it is said.
	Convict(ctx context.Context, c Conviction) (rest time.Duration, err error)
}

// Output has the crash of this process reported to a file in the data directory, and returns its name.
func Output(dir string, p ownership.Process) (file string, err error) {
	file = filepath.Join(dir, reports, p.Incarnation)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return "", fmt.Errorf("crash reports: %w", err)
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return "", fmt.Errorf("crash reports: %w", err)
	}
	defer f.Close()                                                        // the runtime has a descriptor of its own
	_ = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, reserved) // where the file system can do it
	if err := debug.SetCrashOutput(f, debug.CrashOptions{}); err != nil {
		return "", fmt.Errorf("crash reports: %w", err)
	}
	return file, nil
}

// Judge judges the report in file, which the process p has left. An empty one blames nobody: the process
// was killed, or ended by itself.
func Judge(ctx context.Context, file string, p ownership.Process, court Court, log *slog.Logger) error {
	report, died, err := read(file)
	if err != nil || report == "" {
		return err
	}
	c, cause, ok := Blame(report)
	if !ok {
		log.Error("a process of this node crashed, and its report blames no cliente", "incarnation", p.Incarnation, "report", file+judged)
		return settle(file)
	}
	rest, err := court.Convict(ctx, Conviction{Cliente: c, Process: p, Ago: time.Since(died), Cause: cause})
	if err != nil {
		return fmt.Errorf("convict cliente %s of the crash of %s: %w", c, p.Incarnation, err)
	}
	log.Error("a process of this node crashed on what WhatsApp sent to a cliente, which rests now; all others go on",
		"cliente", c, "incarnation", p.Incarnation, "rest", rest.Round(time.Second).String(), "cause", cause, "report", file+judged)
	return settle(file)
}

// JudgeAll judges what past processes of the node have left in its data directory, and clears away what
// nobody needs. The directory is this process's alone.
func JudgeAll(ctx context.Context, dir string, p ownership.Process, court Court, log *slog.Logger) error {
	entries, err := os.ReadDir(filepath.Join(dir, reports))
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("crash reports: %w", err)
	}
	var old []string // by their names, the oldest first: a process's name begins with its time
	for _, entry := range entries {
		file := filepath.Join(dir, reports, entry.Name())
		switch {
		case entry.Name() == p.Incarnation:
		case strings.HasSuffix(entry.Name(), judged):
			old = append(old, file)
		default:
			if err := Judge(ctx, file, ownership.Process{Node: p.Node, Incarnation: entry.Name()}, court, log); err != nil {
				return err
			}
			if info, err := os.Stat(file); err == nil && info.Size() == 0 {
				_ = os.Remove(file)
			} else if err != nil {
				old = append(old, file+judged)
			}
		}
	}
	slices.Sort(old)
	for _, file := range old[:max(0, len(old)-kept)] {
		_ = os.Remove(file)
	}
	return nil
}

// read returns a report and when it was written. One that has been judged, or cleared away, reads as empty.
func read(file string) (report string, died time.Time, err error) {
	f, err := os.Open(file)
	if os.IsNotExist(err) {
		return "", time.Time{}, nil
	}
	if err != nil {
		return "", time.Time{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", time.Time{}, err
	}
	text := make([]byte, min(info.Size(), longest))
	n, err := f.ReadAt(text, 0)
	if n < len(text) {
		return "", time.Time{}, err
	}
	return string(text), info.ModTime(), nil
}

// settle books that a report has been judged. The judge and the node's next life may do so at once.
func settle(file string) error {
	if err := os.Rename(file, file+judged); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}
