package node

import (
	"context"
	"fmt"
	"time"

	"session-manager/node/ownership"
	"session-manager/router/api"
)

// simUnpaired is a cliente that is not paired: its sessions end as nobody asks for them.
const simUnpaired = simClientes

// simSession is a session that the referee watches: it runs from its login until it has ended.
type simSession struct {
	api.Session
	sim  *simulation
	node *simNode
	hold *ownership.Hold
	ctx  context.Context
	stop context.CancelCauseFunc
	done chan struct{}
}

func (n *simNode) Start(hold *ownership.Hold) running {
	ctx, cancel := context.WithCancelCause(hold.Context())
	s := &simSession{sim: n.sim, node: n, hold: hold, ctx: ctx, stop: cancel, done: make(chan struct{})}
	go s.run(ctx)
	return s
}

func (s *simSession) run(ctx context.Context) {
	defer close(s.done)
	select {
	case <-ctx.Done():
		return
	case <-time.After(50 * time.Millisecond): // the way to the login
	}
	if s.hold.Check(time.Now()) != nil {
		return
	}
	s.sim.login(s)
	defer s.sim.logout(s)
	for ctx.Err() == nil && s.hold.Check(time.Now()) == nil {
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond): // the next outward act
		}
	}
	if s.node.crashed() {
		return
	}
	time.Sleep(time.Duration(s.sim.random(int(400 * time.Millisecond)))) // it takes its time to end, below Stop
}

func (s *simSession) Snapshot() api.Snapshot { return api.Snapshot{State: api.Ready} }
func (s *simSession) Wake()                  {}
func (s *simSession) Paired() bool           { return s.hold.Cliente() != simUnpaired }
func (s *simSession) Stop(cause error)       { s.stop(cause) }
func (s *simSession) AfterDone(f func())     { go func() { <-s.done; f() }() }
func (s *simSession) Err() error             { return context.Cause(s.ctx) }

func (s *simulation) login(in *simSession) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logins++
	c := in.hold.Cliente()
	if other := s.running[c]; other != nil {
		s.overlaps = append(s.overlaps, fmt.Sprintf("%s: cliente %s logs in at %s under %s while it runs at %s under %s",
			time.Now().Format("05.000"), c, in.node.name, in.hold.Token(), other.node.name, other.hold.Token()))
	}
	s.running[c] = in
}

func (s *simulation) logout(out *simSession) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[out.hold.Cliente()] == out {
		delete(s.running, out.hold.Cliente())
	}
}
