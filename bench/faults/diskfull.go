package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// mount makes a file system of a size, in memory. It is gone with this process's mount namespace.
func mount(megabytes int) (dir string, err error) {
	if !Inside() {
		return "", errors.New("not in a mount namespace of its own")
	}
	if dir, err = os.MkdirTemp("", "disk-"); err != nil {
		return "", err
	}
	if err := syscall.Mount("none", dir, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=755", megabytes)); err != nil {
		return "", fmt.Errorf("mount %s: %w", dir, err)
	}
	return dir, nil
}

func unmount(dir string) error {
	return errors.Join(syscall.Unmount(dir, syscall.MNT_DETACH), os.Remove(dir))
}

// fillDisk writes a file until nothing more fits, and returns its name.
func fillDisk(dir string) (string, error) {
	f, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		return "", err
	}
	defer f.Close()
	for size := 1 << 20; size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			return "", err
		}
	}
	return f.Name(), nil
}

// diskFull leaves the store no space for a while. A node that could not carry out any send must say so
// where a load balancer looks, and nobody logs in again and again meanwhile.
func diskFull(ctx context.Context, w *world, r *Result) error {
	l := w.startLoad(w.o.Rate)
	defer l.end()
	if err := sleep(ctx, warmUp); err != nil {
		return err
	}
	begun := time.Now()
	ballast, err := fillDisk(w.disk)
	if err != nil {
		return err
	}
	if err := sleep(ctx, w.o.For); err != nil {
		return err
	}
	said := 0
	for _, n := range w.Nodes() {
		status, body, err := get(ctx, n.URL()+"/readyz", firstCliente)
		w.o.say("%s: /readyz %d %s %v", n.Name(), status, body, err)
		if status == 503 {
			said++
		}
	}
	if err := os.Remove(ballast); err != nil {
		return err
	}
	returned := time.Now()
	r.tell("no space for", returned.Sub(begun).Seconds(), "s")
	r.atMost("nodes that called themselves ready", float64(len(w.Nodes())-said), "", 0)
	r.tell("logins meanwhile", float64(len(w.watch.logins(begun, returned))), "")
	if w.Store.Server != nil && !w.Store.Server.Running() { // it ends where it cannot write its journal
		if err := w.Store.Server.Run(ctx); err != nil {
			return err
		}
		w.o.say("Postgres had ended, and runs again")
	}
	back, err := w.everybodySends(ctx)
	if err != nil {
		return err
	}
	r.spread("sent again after its return", back, 0, 0, 5*time.Second)
	l.lastFailure(r, returned, 5*time.Second)
	return w.finish(ctx, r, l, -1, -1, 0)
}
