package router

import (
	"net"
	"runtime"
	"sync"
	"time"
)

// outbox writes frames to a connection: all that have come meanwhile at once. That is what makes a
// stream cheaper than connections: under load, a system call is for many requests. A frame that is
// alone is written by whoever brings it, since waking another goroutine is what would cost then.
//
// Invariants:
//   - one goroutine writes at a time: who has set busy, and clears it;
//   - whoever clears busy while frames are queued wakes run.
type outbox struct {
	conn net.Conn
	wake chan struct{} // capacity 1: there is something for run to do

	mu     sync.Mutex // guards what follows
	queued []byte     // frames
	spare  []byte     // the last ones, once they are written
	batch  int        // of what is queued: counts the writes
	busy   bool
	closed bool
	failed error // of a write; nothing is written after it
}

const (
	writeTime  = 25 * time.Second // that a write may take: after it nobody waits for an answer
	mostQueued = 4 << 20          // bytes that may wait to be written
	mostSpare  = 64 << 10         // bytes of a buffer that is used again
)

func newOutbox(conn net.Conn) *outbox { return &outbox{conn: conn, wake: make(chan struct{}, 1)} }

// add queues a frame, which write appends, and says in which batch it is written; false: it is
// not. alone says that no other frame is to be expected now.
func (o *outbox) add(alone bool, write func(b []byte) []byte) (batch int, ok bool) {
	o.mu.Lock()
	if o.closed || len(o.queued) > mostQueued {
		o.mu.Unlock()
		return 0, false
	}
	o.queued = write(o.queued)
	batch = o.batch
	alone = alone && !o.busy
	o.mu.Unlock()
	if alone {
		o.flush()
	} else {
		o.notify()
	}
	return batch, true
}

func (o *outbox) notify() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// flush writes what is queued, unless somebody writes already.
func (o *outbox) flush() {
	o.mu.Lock()
	if o.busy || o.failed != nil || len(o.queued) == 0 {
		o.mu.Unlock()
		return
	}
	frames := o.queued
	o.queued, o.busy = o.spare[:0], true
	o.batch++
	o.mu.Unlock()
	_ = o.conn.SetWriteDeadline(time.Now().Add(writeTime)) // where it fails, so does the write
	_, err := o.conn.Write(frames)
	o.mu.Lock()
	if o.spare = frames; cap(frames) > mostSpare {
		o.spare = nil
	}
	o.busy, o.failed = false, err
	again := len(o.queued) > 0 || o.closed || err != nil
	o.mu.Unlock()
	if again {
		o.notify()
	}
}

// run writes what is queued until close, when all is written, or until a write fails.
func (o *outbox) run() error {
	for range o.wake {
		runtime.Gosched() // whoever is ready to add a frame does so first
		o.flush()
		if ended, err := o.end(); ended {
			return err
		}
	}
	return nil
}

func (o *outbox) end() (ended bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.failed != nil || o.closed && !o.busy && len(o.queued) == 0, o.failed
}

// close takes no more frames; what is queued is still written. It returns the first batch of
// which nothing had been written before.
func (o *outbox) close() (batch int) {
	o.mu.Lock()
	o.closed = true
	batch = o.batch
	o.mu.Unlock()
	o.notify()
	return batch
}
