package router

import (
	"context"
	"io"
	"net"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// StandingPath is where another node opens a connection that stands for as long as this
// process lives: its end is evidence that the process has ended (protocol rule 9).
const StandingPath = "/standing"

// HeaderIncarnation tells whose process answers.
const HeaderIncarnation = "X-Session-Incarnation"

// standing are connections that other nodes hold to this one: to know that it lives, or to ask it.
type standing struct {
	open sync.WaitGroup

	mu     sync.Mutex // guards what follows
	conns  map[net.Conn]bool
	closed bool
}

func (s *standing) add(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if s.conns == nil {
		s.conns = make(map[net.Conn]bool)
	}
	s.conns[c] = true
	s.open.Add(1)
	return true
}

func (s *standing) remove(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	s.open.Done()
}

// close ends them all: the last thing that a node does which drains. fasthttp ignores Close of
// a connection that it closes itself, once its handler has returned: so the handler's read is ended.
func (s *standing) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for c := range s.conns {
		_ = c.SetReadDeadline(time.Unix(1, 0))
	}
}

// wait returns when all of them have ended, or with ctx.
func (s *standing) wait(ctx context.Context) error {
	ended := make(chan struct{})
	go func() { // ends with the last connection
		defer close(ended)
		s.open.Wait()
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// serveStanding keeps the connection until either side ends.
func (r *Router) serveStanding(ctx *fasthttp.RequestCtx) {
	ctx.Response.Header.Set(HeaderIncarnation, r.cfg.Incarnation)
	ctx.Hijack(func(c net.Conn) {
		_ = c.SetDeadline(time.Time{})
		if !r.standing.add(c) {
			return
		}
		defer r.standing.remove(c)
		_, _ = io.Copy(io.Discard, c)
	})
}
