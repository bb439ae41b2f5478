// Package load puts load on a server: each of many kept connections sends its next request when
// the answer to the last has come (closed loop). It costs little itself, as it has to share a
// small machine with what is measured: requests are bytes, answers are not parsed beyond what
// tells where they end, and each latency is kept as it is.
package load

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Options say what load is made. It ends after For, or after Requests, whichever comes first;
// one of them must be given.
type Options struct {
	Addresses   []string // host:port; connections are spread over them
	Connections int
	For         time.Duration
	Requests    int // of all connections together
	// Next is the n-th request (from 0) of a connection, whole, as it goes over the wire (see
	// Request). It is called by several connections at once; the bytes are only read.
	Next func(connection, n int) []byte
	// See is shown every answer, where it is not nil, by several connections at once. The body
	// is only valid until it returns.
	See func(connection, n, status int, body []byte)
}

// Run makes the load and returns when all connections have ended. The last requests are
// answered, not cut off; when ctx ends they are, and that is an error.
func Run(ctx context.Context, o Options) (*Result, error) {
	switch {
	case len(o.Addresses) == 0 || o.Connections < 1 || o.Next == nil:
		return nil, errors.New("load: want an address, a connection and requests")
	case o.For <= 0 && o.Requests <= 0:
		return nil, errors.New("load: want an end, by time or by requests")
	}
	begun := time.Now()
	limit := &budget{requests: int64(o.Requests)}
	if o.For > 0 {
		limit.end = begun.Add(o.For)
	}
	callers := make([]*caller, o.Connections)
	var all sync.WaitGroup
	for i := range callers {
		callers[i] = &caller{o: &o, number: i, address: o.Addresses[i%len(o.Addresses)], statuses: make(map[int]int)}
		all.Go(func() { callers[i].run(ctx, limit) })
	}
	all.Wait()
	r := &Result{Took: time.Since(begun), Statuses: make(map[int]int)}
	for _, c := range callers {
		for status, n := range c.statuses {
			r.Statuses[status] += n
		}
		r.Broken += c.broken
		if r.Err == nil {
			r.Err = c.err
		}
		r.Latency = append(r.Latency, c.latency...)
	}
	slices.Sort(r.Latency)
	return r, context.Cause(ctx)
}

// budget is what all connections may do together.
type budget struct {
	end      time.Time // zero: no end
	requests int64     // 0: no end
	taken    atomic.Int64
}

// take says whether one more request may be made.
func (b *budget) take(now time.Time) bool {
	if !b.end.IsZero() && !now.Before(b.end) {
		return false
	}
	return b.requests == 0 || b.taken.Add(1) <= b.requests
}
