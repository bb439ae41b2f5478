package session

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"runtime/pprof"
	"sync"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types"

	"session-manager/node/ownership"
	"session-manager/node/rarely"
)

// Session is one running account.
type Session struct {
	engine  *Engine
	hold    *ownership.Hold
	account Account
	log     *slog.Logger

	labels context.Context // of goroutines that run on the cliente's behalf
	ctx    context.Context // of the connection and all writes; a child of the hold's
	cancel context.CancelCauseFunc
	events chan any        // from whatsmeow's goroutines to run
	wake   chan struct{}   // capacity 1: a request came that ends a rest
	order  chan struct{}   // capacity 1: somebody wants the session to begin anew
	turn   chan struct{}   // capacity 1: held by the send that is under way
	quit   chan struct{}   // closed when Stop has let the sends finish
	over   context.Context // ends when all of it has
	finish context.CancelFunc
	err    error // why it ended; written before finish
	bodies openBodies

	client *whatsmeow.Client // owned by run, as what follows; sends read it as sender
	paired bool
	misses misses
	pace   pace
	lateBy time.Duration // for which the next connection waits once it has begun
	opened bool          // the present attempt has asked for a socket
	came   time.Time     // when the present connection came to READY, or to its first QR code; zero: not yet
	news   rarely.Lines  // what of it has been logged

	mu       sync.Mutex // guards what follows
	now      Snapshot
	seen     bool      // the state has been reported since it was entered
	waits    bool      // run waits, in a pause or a rest, which an order ends
	heeds    time.Time // from when on a rest heeds requests
	changed  chan struct{}
	stopping error         // why no send is admitted any more
	sends    int           // admitted and not ended
	idle     chan struct{} // closed when stopping and sends is 0
	sender   *whatsmeow.Client
	link     context.Context // of the present connection: what whatsmeow does with its store on its own
	own      []types.JID     // of the connected device: phone number and LID

	lockedUntil time.Time // WhatsApp lets the account begin no chats before; zero: it does
}

// Start runs a session under the ownership until Stop, the ownership's end, or ErrPairingExpired.
func (e *Engine) Start(hold *ownership.Hold, account Account) *Session {
	s := &Session{
		engine: e, hold: hold, account: account, log: e.log.With("cliente", hold.Cliente()),
		events: make(chan any, 16), wake: make(chan struct{}, 1), order: make(chan struct{}, 1), turn: make(chan struct{}, 1), quit: make(chan struct{}),
		now: Snapshot{State: Initializing, Pending: true, Since: time.Now()}, changed: make(chan struct{}), idle: make(chan struct{}),
	}
	s.labels = labelled(hold.Cliente().String())
	s.over, s.finish = context.WithCancel(context.Background())
	s.ctx, s.cancel = context.WithCancelCause(hold.Context())
	s.link = s.ctx
	e.metrics.moved("", s.now.State)
	go s.main()
	return s
}

// Stop begins to end the session: sends under way may finish within the Stop budget, then
// the socket closes. Done tells when all has ended.
func (s *Session) Stop(cause error) {
	s.mu.Lock()
	first := s.stopping == nil
	if first {
		s.stopping = cause
		if s.sends == 0 {
			close(s.idle)
		}
		s.changeLocked(func(now *Snapshot) { now.Ending = true })
	}
	s.mu.Unlock()
	if !first {
		return
	}
	go func() {
		timer := time.NewTimer(s.engine.cfg.Timing.Stop / 2)
		defer timer.Stop()
		select {
		case <-s.idle:
		case <-timer.C:
		case <-s.ctx.Done():
		}
		close(s.quit)
		timer.Reset(s.engine.cfg.Timing.Stop / 4)
		select {
		case <-s.over.Done():
		case <-timer.C:
			s.cancel(cause) // it hangs in a call: connecting, or loading
		}
	}()
}

// cause is why the session ends.
func (s *Session) cause() error {
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}

// quitting says whether the session is to end.
func (s *Session) quitting() bool {
	select {
	case <-s.quit:
		return true
	case <-s.ctx.Done():
		return true
	default:
		return false
	}
}

// Done is closed when the session has wholly ended: its socket is closed and none of its
// writes is under way.
func (s *Session) Done() <-chan struct{} { return s.over.Done() }

// AfterDone calls f, on a goroutine of its own, once Done is closed: nobody waits for it meanwhile,
// which at thousands of idle sessions is memory.
func (s *Session) AfterDone(f func()) { context.AfterFunc(s.over, f) }

// Err is why the session ended, once Done is closed.
func (s *Session) Err() error {
	select {
	case <-s.over.Done():
		return s.err
	default:
		return nil
	}
}

// Paired says whether the account has credentials, as far as is known. It does not count as a report.
func (s *Session) Paired() bool {
	now := s.peek()
	if now.Pending {
		return false
	}
	switch now.State {
	case Ready, Reconnecting, DisconnectedRecoverable, DisconnectedBanned:
		return true
	case Error:
		return now.Phone != "" || now.LastError.Code == crashed
	}
	return false
}

// main runs the session and sees to its end, a panic included: it stays with this cliente.
func (s *Session) main() {
	pprof.SetGoroutineLabels(s.labels)
	defer s.finish()
	for {
		err, panicked := s.guarded()
		if !panicked {
			s.end(err)
			return
		}
		s.disconnect(false)
		if err := s.after(broken{codePanic, err}); err != nil {
			s.end(err)
			return
		}
	}
}

func (s *Session) guarded() (err error, panicked bool) {
	defer func() {
		if r := recover(); r != nil {
			s.engine.metrics.panics.Inc()
			s.news.Log(s.log, slog.LevelError, "panic in a session, it is kept within this cliente", fmt.Errorf("%v", r), "stack", string(debug.Stack()))
			err, panicked = fmt.Errorf("panic: %v", r), true
		}
	}()
	return s.run(), false
}

// end closes everything, in the order of rule 6: no sends, no socket, no writes.
func (s *Session) end(err error) {
	begun := time.Now()
	s.mu.Lock()
	if s.stopping == nil {
		s.stopping = err
	}
	s.changeLocked(func(now *Snapshot) { now.Ending = true })
	s.mu.Unlock()
	s.cancel(err)
	s.hold.End(err) // no write begins any more
	s.account.Quiesce()
	if took := time.Since(begun); took > s.engine.cfg.Timing.Stop {
		s.engine.metrics.slowStops.Inc()
		s.log.Warn("session took long to end", "took", took.String())
	}
	s.engine.metrics.moved(s.peek().State, "")
	s.err = err
}

// freshVersion is how old a look-up of WhatsApp's version may be that many sessions share.
const freshVersion = time.Minute
