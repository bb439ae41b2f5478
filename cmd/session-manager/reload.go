package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// hangups passes SIGHUP on until ctx ends: "read your files again". Without it that signal would end the node,
// and without a drain; so it stays caught while the node drains, and is let pass then.
func hangups(ctx context.Context) <-chan struct{} {
	signals, again := make(chan os.Signal, 1), make(chan struct{}, 1)
	signal.Notify(signals, syscall.SIGHUP)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-signals:
			}
			select {
			case again <- struct{}{}:
			default: // one is asked for already
			}
		}
	}()
	return again
}
