package node

import (
	"context"
	"time"
)

const (
	// lastRequests is how long requests under way have at least, after a drain that took all its time.
	lastRequests = 5 * time.Second
	// hardEnd is how long after DrainTimeout an ending node is given up: longer than lastRequests and the closing of all parts.
	hardEnd = 10 * time.Second
)

// endHard ends the process when it is still there hardEnd after a drain should have been over, whatever
// it waits for: who stops a node has a limit too, and kills it without a word. The returned function
// calls this off.
func (o Options) endHard(running context.Context) (stop func()) {
	over := make(chan struct{})
	unwatch := context.AfterFunc(running, func() {
		limit := time.NewTimer(o.DrainTimeout + hardEnd)
		defer limit.Stop()
		select {
		case <-over:
		case <-limit.C:
			o.Log.Error("this node does not end: it is given up, and its sessions with it", "after", o.DrainTimeout+hardEnd)
			o.Exit(ExitStuck)
		}
	})
	return func() {
		unwatch()
		close(over)
	}
}
