package node

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// A drain has a hard end, whatever holds it up, and none where it ends in time.
func TestFaultF1DrainHasHardEnd(t *testing.T) {
	for name, row := range map[string]struct {
		takes time.Duration
		exits int
	}{"in time": {20 * time.Second, 0}, "stuck": {time.Hour, 1}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				exits := make(chan int, 1)
				o := Options{DrainTimeout: 25 * time.Second, Log: slog.New(slog.DiscardHandler), Exit: func(code int) { exits <- code }}
				running, end := context.WithCancel(context.Background())
				stop := o.endHard(running)
				time.Sleep(time.Hour) // it runs as long as it likes
				end()
				time.Sleep(min(row.takes, time.Minute))
				if len(exits) != row.exits {
					t.Errorf("%d exits, want %d", len(exits), row.exits)
				}
				stop()
			})
		})
	}
}
