package node

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// firstRoom is what a first start needs free for an etcd of its own, which takes its log's first two files of
// 64 MB each at once, and ends the process where it gets none.
const firstRoom = 160 << 20

// room refuses a data directory on a disk that has too little free for a first start.
func (d *dataDir) room() error {
	if _, err := os.Stat(d.file("etcd/member")); err == nil {
		return nil
	}
	free, err := freeBytes(d.path)
	if err != nil || free >= firstRoom {
		return nil // a file system that does not say is tried
	}
	return ConfigError{fmt.Errorf("--data: the disk of %s has %d MB free, and a first start needs %d MB: make room, or name another directory",
		d.path, free>>20, uint64(firstRoom>>20))}
}

// dataError gives an error of the data directory its flag, and a full disk its figures.
func dataError(path string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		free, _ := freeBytes(path)
		return ConfigError{fmt.Errorf("--data: the disk of %s is full, %d KB are free: make room, or name another directory (%w)", path, free>>10, err)}
	}
	return ConfigError{fmt.Errorf("--data: %w", err)}
}

func freeBytes(path string) (uint64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return 0, err
	}
	return s.Bavail * uint64(s.Bsize), nil
}
