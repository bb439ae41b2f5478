package node

import "sync"

// signal wakes everybody who waits for the next change of something. Take Wait's channel
// before looking at that something, or a change in between goes unnoticed.
type signal struct {
	mu sync.Mutex
	ch chan struct{} // guarded by mu; closed and replaced by Raise
}

func newSignal() *signal { return &signal{ch: make(chan struct{})} }

func (s *signal) Wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ch
}

func (s *signal) Raise() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.ch)
	s.ch = make(chan struct{})
}
