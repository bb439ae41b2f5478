package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// lives is how many past incarnations a data directory remembers: more than one, since a
// process may die between writing its own down and being seen under it.
const lives = 8

// dataDir is this node's directory, locked: at most one process of this machine uses it.
// Who holds it knows that the processes named in Past have ended (rule 14).
type dataDir struct {
	path string
	lock *os.File
	past []string // incarnations, newest first
}

func openDataDir(path string) (*dataDir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("data directory %s is in use by another process: stop it, or give this node another --data", path)
		}
		return nil, fmt.Errorf("lock data directory %s: %w", path, err)
	}
	d := &dataDir{path: path, lock: lock}
	if text, err := os.ReadFile(d.file("incarnations")); err == nil {
		d.past = strings.Fields(string(text))
	} else if !errors.Is(err, os.ErrNotExist) {
		_ = lock.Close()
		return nil, fmt.Errorf("data directory: %w", err)
	}
	return d, nil
}

func (d *dataDir) file(name string) string { return filepath.Join(d.path, name) }

// Past are the incarnations that ran on this directory last, and have ended.
func (d *dataDir) Past() []string { return d.past }

// WasMine says whether a process of that incarnation ran on this directory, and has ended.
func (d *dataDir) WasMine(incarnation string) bool { return slices.Contains(d.past, incarnation) }

// Remember writes the incarnation down, before anybody else can learn of it.
func (d *dataDir) Remember(incarnation string) error {
	names := append([]string{incarnation}, d.past...)
	names = names[:min(len(names), lives)]
	return d.write("incarnations", []byte(strings.Join(names, "\n")+"\n"))
}

// write replaces a file as a whole.
func (d *dataDir) write(name string, content []byte) error {
	temporary := d.file(name + ".new")
	if err := os.WriteFile(temporary, content, 0o600); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if err := os.Rename(temporary, d.file(name)); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	return nil
}

func (d *dataDir) Close() error { return d.lock.Close() }
