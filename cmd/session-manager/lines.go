package main

import (
	"bytes"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// mostQueued bounds the bytes of lines that wait for their reader: some thousand lines.
	mostQueued = 1 << 20
	// lastFlush is how long an ending node waits for the reader of its last lines.
	lastFlush = time.Second
)

// lines passes lines on to a writer that may stand still or fail, and never makes their author wait:
// what the writer does not take in time is dropped and counted.
//
// A goroutine of its own writes. Close ends it.
type lines struct {
	to      io.Writer
	missed  func(n uint64) // called after lines were dropped and the writer takes some again
	dropped atomic.Uint64
	told    uint64 // of dropped, those that missed was called for; the goroutine's own
	wake    chan struct{}
	ended   chan struct{}

	mu     sync.Mutex // guards what follows
	queued []byte
	closed bool
}

func newLines(to io.Writer, missed func(n uint64)) *lines {
	l := &lines{to: to, missed: missed, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	go l.run()
	return l
}

// Write queues one line. It never fails, and never blocks.
func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	full := l.closed || len(l.queued)+len(line) > mostQueued
	if !full {
		l.queued = append(l.queued, line...)
	}
	l.mu.Unlock()
	if full {
		l.dropped.Add(1)
	} else {
		l.rouse()
	}
	return len(line), nil
}

// Dropped returns how many lines nobody will read.
func (l *lines) Dropped() uint64 { return l.dropped.Load() }

// Close lets the queued lines be written, within lastFlush. Lines that come later are dropped.
func (l *lines) Close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.rouse()
	select {
	case <-l.ended:
		return
	case <-time.After(lastFlush):
	}
	if f, ok := l.to.(*os.File); ok && f.SetWriteDeadline(time.Now()) == nil {
		<-l.ended
	}
}

func (l *lines) rouse() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *lines) run() {
	defer close(l.ended)
	var batch []byte
	for range l.wake {
		for {
			l.mu.Lock()
			batch, l.queued = l.queued, batch[:0]
			closed := l.closed
			l.mu.Unlock()
			if len(batch) == 0 && closed {
				return
			}
			if len(batch) == 0 {
				break
			}
			l.pass(batch)
		}
	}
}

// pass writes a batch. What a failed write leaves is dropped: a reader that has ended stays so.
func (l *lines) pass(batch []byte) {
	n, err := l.to.Write(batch)
	if err != nil {
		l.dropped.Add(uint64(bytes.Count(batch[n:], []byte("\n"))))
		return
	}
	if dropped := l.dropped.Load(); dropped > l.told {
		since := dropped - l.told
		l.told = dropped
		l.missed(since)
	}
}
