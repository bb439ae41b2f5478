package demo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// alive is an error where a process has not ended.
func alive(pids []int) error {
	var errs []error
	for _, pid := range pids {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			errs = append(errs, fmt.Errorf("process %d still runs", pid))
		}
	}
	return errors.Join(errs...)
}

// stillThere is an error where a directory was not removed.
func stillThere(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is still there", dir)
	}
	return nil
}
