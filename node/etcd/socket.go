package etcd

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// socketDir is the directory of the embedded etcd's socket, which nobody but this user gets into.
type socketDir struct {
	open *os.File
	made bool // it is a temporary one
}

// openSocketDir returns dir, or a directory of its own where dir is on a file system without sockets.
func openSocketDir(dir string) (*socketDir, error) {
	open, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	d := &socketDir{open: open}
	if err = d.try(); err == nil {
		return d, nil
	}
	d.Close()
	temporary, makeErr := os.MkdirTemp("", "session-manager-etcd-")
	if makeErr != nil {
		return nil, fmt.Errorf("no socket: %w; %w", err, makeErr)
	}
	if open, err = os.Open(temporary); err != nil {
		return nil, err
	}
	d = &socketDir{open: open, made: true}
	if err := d.try(); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// path names a file of the directory. The address of a socket has room for 107 bytes, which the directory's
// own path may exceed.
func (d *socketDir) path(name string) string {
	return fmt.Sprintf("/proc/%d/fd/%d/%s", os.Getpid(), d.open.Fd(), name)
}

// socketName is that of the file: etcd removes one that a past life left.
const socketName = "client.sock"

func (d *socketDir) try() error {
	_ = os.Remove(d.path("try.sock")) // of a start that was cut short
	l, err := net.Listen("unix", d.path("try.sock"))
	if err != nil {
		return err
	}
	return l.Close()
}

// Close removes a directory that was made.
func (d *socketDir) Close() {
	if d.made {
		_ = os.RemoveAll(filepath.Clean(d.open.Name()))
	}
	_ = d.open.Close()
}
