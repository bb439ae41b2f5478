package session

import (
	"context"
	"time"
)

// Wake says that a request for the cliente came: a session that gave up, and whose state has
// been reported since, begins anew.
func (s *Session) Wake() { s.rouse(false) }

// RenewQR sees to it that a QR is on its way. ErrAlreadyPaired: none is needed.
func (s *Session) RenewQR(context.Context) error {
	switch now := s.peek(); {
	case now.Pending:
		return nil
	case now.State == Ready, now.State == Reconnecting, now.State == DisconnectedRecoverable:
		return ErrAlreadyPaired
	}
	s.rouse(true)
	return nil
}

// rouse ends a rest that a request may end.
func (s *Session) rouse(wantsQR bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now.Pending || !wakeable(s.now.State, s.seen, wantsQR) || time.Now().Before(s.heeds) {
		return
	}
	if s.now.LastError.Code == crashed {
		return // only an order ends that rest: a state that is about to change would be waited for in vain
	}
	select {
	case s.wake <- struct{}{}:
		s.changeLocked(func(now *Snapshot) { now.Pending = true })
	default:
	}
}

// wakeable says whether a request ends a rest in a state. A caller who asks for a QR is told nothing
// of the state, and so need not have been told of it before.
func wakeable(state State, seen, wantsQR bool) bool {
	switch state {
	case DisconnectedLogout, AuthFailure:
		return seen || wantsQR
	case Error:
		return seen
	}
	return false
}

// begunLately is for how long after READY a restart has nothing to do: the one before has done it, and its
// caller asks again.
const begunLately = 10 * time.Second

// Restart begins anew, at once: it ends a pause, a rest in ERROR or after a crash, and a ban's, after
// which the cliente is paired again; a session that is READY logs in again, unless it has just done so; one that
// connects, or shows a QR, is left to it. ErrStoreUnavailable.
func (s *Session) Restart(context.Context) error {
	before := s.peek()
	if before.Restriction.Code != 0 {
		if err := s.account.Lift(s.ctx); err != nil {
			return err
		}
	}
	if before.LastError.Code == crashed {
		if err := s.account.EndRest(s.ctx); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.now.State {
	case Initializing, Reconnecting, QRRequired:
		if !s.waits {
			return nil
		}
	case Ready:
		if time.Since(s.now.ConnectedAt) < begunLately {
			return nil
		}
	}
	select {
	case s.order <- struct{}{}:
		s.changeLocked(func(now *Snapshot) { now.Pending = true })
	default:
	}
	return nil
}

// waiting runs fn, a wait of run's that an order ends.
func (s *Session) waiting(heeds time.Time, fn func()) {
	set := func(waits bool, heeds time.Time) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.waits, s.heeds = waits, heeds
	}
	set(true, heeds)
	fn()
	set(false, time.Time{})
}
