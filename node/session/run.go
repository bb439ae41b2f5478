package session

import (
	"errors"
	"math/rand/v2"
	"time"
)

// run takes the account from one connection to the next until there is a reason to end.
func (s *Session) run() error {
	for attempt, strikes := 0, 0; ; {
		if err := s.hold.Check(time.Now()); err != nil {
			return err
		}
		if s.quitting() {
			return s.cause()
		}
		ending := apart(s.load)
		if ending == nil {
			ending = s.connection()
		}
		if now := s.peek(); now.State == Ready {
			attempt = 0
			if time.Since(now.ConnectedAt) > steady {
				strikes = 0
			}
		}
		switch end := ending.(type) {
		case stopped:
			return s.cause()
		case restart: // after pairing the server asks for a new connection
			continue
		case expired:
			return ErrPairingExpired
		case lost:
			attempt++
			s.update(func(now *Snapshot) { now.Attempts = attempt })
			if !s.paired && attempt >= s.engine.cfg.MaxReconnections {
				s.failed(Error, end.code, end.err)
				attempt = 0
				s.rest(restInError)
				continue
			}
			state := DisconnectedRecoverable
			if !s.paired {
				state = Initializing // there is nothing to reconnect: it is still on its way to its first QR
			}
			s.failed(state, end.code, end.err)
			pause := backoff(attempt)
			if end.code == storeUnavailable {
				pause = min(pause, maxStoreBackoff)
			}
			s.sleep(pause)
		case refused:
			s.forget()
			s.failed(end.state, end.code, end.err)
			attempt = 0
			s.rest(0)
		case broken:
			s.forget()
			s.failed(Error, end.code, end.err)
			s.rest(restInError)
		case banned:
			s.failed(DisconnectedBanned, "BANNED", end.err)
			s.sleep(end.expires)
		case outdated:
			s.failed(DisconnectedRecoverable, "CLIENT_OUTDATED", errOutdated)
			err := s.engine.refreshVersion(s.ctx, freshVersion)
			if strikes++; err != nil || strikes > 1 {
				strikes = 0
				s.failed(Error, "CLIENT_OUTDATED", errors.Join(errOutdated, err))
				s.rest(restInError)
			}
		case replaced:
			if err := s.hold.Check(time.Now()); err != nil {
				return err
			}
			if strikes++; strikes > maxReplaced {
				strikes = 0
				s.failed(Error, "STREAM_REPLACED", errReplaced)
				s.rest(restInError)
				continue
			}
			s.failed(DisconnectedRecoverable, "STREAM_REPLACED", errReplaced)
			s.sleep(time.Duration(strikes) * replacedPause)
		}
	}
}

// apart runs fn on a goroutine of its own, and takes its panic over: the stack that a look into the
// database needs would else stay with the session for good.
func apart(fn func() any) any {
	type outcome struct{ result, panicked any }
	done := make(chan outcome, 1)
	go func() {
		var o outcome
		defer func() {
			o.panicked = recover()
			done <- o
		}()
		o.result = fn()
	}()
	o := <-done
	if o.panicked != nil {
		panic(o.panicked)
	}
	return o.result
}

// backoff is the pause before the n-th attempt: at once after a drop, then 0.5, 1, 2 ... 30 s,
// each with up to half as much again so that many sessions do not come back together.
func backoff(n int) time.Duration {
	if n <= 1 {
		return rand.N(firstBackoff / 2)
	}
	d := min(firstBackoff<<min(n-2, 10), maxBackoff)
	return d + rand.N(d/2+1)
}

// sleep waits for d, or the session's end.
func (s *Session) sleep(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.quit:
	case <-s.ctx.Done():
	}
}

// rest waits until a request wakes the session, or for d where that is not 0. It returns
// false when the session ends.
func (s *Session) rest(d time.Duration) bool {
	var timeout <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case <-s.wake:
	case <-timeout:
	case <-s.quit:
		return false
	case <-s.ctx.Done():
		return false
	}
	s.update(func(now *Snapshot) { now.Attempts = 0 })
	return true
}
