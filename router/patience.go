package router

import (
	"context"
	"sync"
	"time"
)

// patience is the time of a request, as a context: it ends at a deadline, or with the router. Its
// clock starts when somebody waits for its end. Most requests wait for nothing, and a context of
// package context with a deadline is five allocations and a timer.
type patience struct {
	router   context.Context
	deadline time.Time

	mu    sync.Mutex // guards what follows
	clock context.Context
	stop  context.CancelFunc // nil until somebody waits
	over  bool
}

func (p *patience) start() context.Context {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stop == nil {
		p.clock, p.stop = context.WithDeadline(p.router, p.deadline)
		if p.over {
			p.stop()
		}
	}
	return p.clock
}

// end is called when the request has been answered: whoever still waits need not.
func (p *patience) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	if p.stop != nil {
		p.stop()
	}
}

// Deadline is the request's.
func (p *patience) Deadline() (time.Time, bool) { return p.deadline, true }

// Done is closed at the end.
func (p *patience) Done() <-chan struct{} { return p.start().Done() }

// Err is nil before the end.
func (p *patience) Err() error { return p.start().Err() }

// Value has none of its own.
func (p *patience) Value(key any) any { return p.start().Value(key) }
