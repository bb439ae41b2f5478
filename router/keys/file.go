package keys

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"session-manager/node/ownership"
)

// prefix makes a key recognisable where it should not be: in logs and repositories.
const prefix = "smk_"

// File is a keys file that is followed: a key that is revoked there stops working within the
// interval given to Follow, without a restart.
type File struct {
	path string
	set  atomic.Pointer[Set]
	read os.FileInfo // of what was read; the follower's alone
}

// Open reads a keys file.
func Open(path string) (*File, error) {
	f := &File{path: path}
	if _, err := f.reload(); err != nil {
		return nil, err
	}
	return f, nil
}

// Check finds the grant of a key, nil where there is none.
func (f *File) Check(key []byte) *Grant { return f.set.Load().Check(key) }

// Len is the number of keys.
func (f *File) Len() int { return len(*f.set.Load()) }

// Follow reads the file again when it has changed, looking every so often, until ctx ends. A
// file that cannot be read leaves the keys as they were, and says so in the log.
func (f *File) Follow(ctx context.Context, every time.Duration, log *slog.Logger) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		switch changed, err := f.reload(); {
		case err != nil:
			log.Error("API keys are not read again, the former ones stay", "file", f.path, "err", err)
		case changed:
			log.Info("API keys were read again", "file", f.path, "keys", f.Len())
		}
	}
}

func (f *File) reload() (changed bool, err error) {
	info, err := os.Stat(f.path)
	if err != nil {
		return false, fmt.Errorf("API keys: %w", err)
	}
	// A file's time is too coarse for two edits in a row; but an edit makes a new file.
	if f.read != nil && os.SameFile(info, f.read) && info.ModTime().Equal(f.read.ModTime()) && info.Size() == f.read.Size() {
		return false, nil
	}
	s, err := load(f.path)
	if err != nil {
		return false, err
	}
	f.set.Store(&s)
	f.read = info
	return true, nil
}

func load(path string) (Set, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("API keys: %w", err)
	}
	s, err := Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("API keys %s: %w", path, err)
	}
	return s, nil
}

// List reads the grants of a file; none where there is no file.
func List(path string) (Set, error) {
	s, err := load(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return s, err
}

// Make adds a key for the clientes, or for all and the operator's routes, and returns it: it is shown nowhere
// else. The file is made where there is none.
func Make(path, name string, all bool, clientes []ownership.Cliente) (key string, err error) {
	return MakeFor(path, Grant{Name: name, All: all, Operator: all, Clientes: clientes})
}

// MakeFor adds a key for what g says, and returns it.
func MakeFor(path string, g Grant) (key string, err error) {
	if !validName(g.Name) {
		return "", fmt.Errorf("key %q: %w", g.Name, ErrInvalidName)
	}
	var secret [32]byte
	rand.Read(secret[:])
	key = prefix + base64.RawURLEncoding.EncodeToString(secret[:])
	return key, edit(path, func(s Set) (Set, error) {
		if s.find(g.Name) >= 0 {
			return nil, fmt.Errorf("key %q: %w", g.Name, ErrNameTaken)
		}
		g.hash = sha256.Sum256([]byte(key))
		return append(s, &g), nil
	})
}

// Revoke takes a key out of the file.
func Revoke(path, name string) error {
	return edit(path, func(s Set) (Set, error) {
		at := s.find(name)
		if at < 0 {
			return nil, fmt.Errorf("key %q: %w", name, ErrUnknownName)
		}
		return append(s[:at:at], s[at+1:]...), nil
	})
}

// edit changes the file under a lock, so that two operators do not undo each other's work.
// Comments are lost; the keys are what counts.
func edit(path string, change func(Set) (Set, error)) error {
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("API keys: %w", err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock API keys: %w", err)
	}
	s, err := List(path)
	if err != nil {
		return err
	}
	if s, err = change(s); err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), ".keys-*") // 0600
	if err != nil {
		return fmt.Errorf("API keys: %w", err)
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.WriteString(s.String())
	if err := errors.Join(err, temporary.Sync(), temporary.Close()); err != nil {
		return fmt.Errorf("API keys: %w", err)
	}
	if err := os.Rename(temporary.Name(), path); err != nil {
		return fmt.Errorf("API keys: %w", err)
	}
	return nil
}
