package session

import (
	"errors"
	"math/rand/v2"
	"time"
)

// run takes the account from one connection to the next until there is a reason to end. For as
// long as the account is connected its goroutine waits in follow, with the frames above it: they are
// kept so small that their stack shrinks to 4 KB.
func (s *Session) run() error {
	var misses misses
	for {
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
		if err := s.after(ending, &misses); err != nil {
			return err
		}
	}
}

// misses are how often in a row something went wrong.
type misses struct {
	attempt int // a connection
	strikes int // what another attempt alone does not cure
}

// after does what a connection's end, or that of the attempt at one, asks for, and returns when the
// next one may begin. Its error is why the session ends.
func (s *Session) after(ending any, m *misses) error {
	if now := s.peek(); now.State == Ready {
		m.attempt = 0
		if time.Since(now.ConnectedAt) > steady {
			m.strikes = 0
		}
	}
	switch end := ending.(type) {
	case stopped:
		return s.cause()
	case restart: // after pairing the server asks for a new connection
	case expired:
		return ErrPairingExpired
	case lost:
		m.attempt++
		s.lost(end, m)
	case refused:
		s.forget()
		s.failed(end.state, end.code, end.err)
		m.attempt = 0
		s.rest(0)
	case broken:
		s.forget()
		s.failed(Error, end.code, end.err)
		s.rest(restInError)
	case resting:
		s.engine.metrics.rests.Inc()
		s.failed(Error, crashed, end)
		m.attempt = 0
		s.rest(end.Left)
	case banned:
		s.failed(DisconnectedBanned, "BANNED", end.err)
		s.sleep(end.expires)
	case outdated:
		s.failed(DisconnectedRecoverable, "CLIENT_OUTDATED", errOutdated)
		err := s.unlabelled(func() error { return s.engine.refreshVersion(s.ctx, freshVersion) })
		if m.strikes++; err != nil || m.strikes > 1 {
			m.strikes = 0
			s.failed(Error, "CLIENT_OUTDATED", errors.Join(errOutdated, err))
			s.rest(restInError)
		}
	case replaced:
		if err := s.hold.Check(time.Now()); err != nil {
			return err
		}
		if m.strikes++; m.strikes > maxReplaced {
			m.strikes = 0
			s.failed(Error, "STREAM_REPLACED", errReplaced)
			s.rest(restInError)
			return nil
		}
		s.failed(DisconnectedRecoverable, "STREAM_REPLACED", errReplaced)
		s.sleep(time.Duration(m.strikes) * replacedPause)
	}
	return nil
}

// lost waits until the connection may be tried again.
func (s *Session) lost(end lost, m *misses) {
	s.update(func(now *Snapshot) { now.Attempts = m.attempt })
	if !s.paired && m.attempt >= s.engine.cfg.MaxReconnections {
		s.failed(Error, end.code, end.err)
		m.attempt = 0
		s.rest(restInError)
		return
	}
	state := DisconnectedRecoverable
	if !s.paired {
		state = Initializing // there is nothing to reconnect: it is still on its way to its first QR
	}
	s.failed(state, end.code, end.err)
	pause := backoff(m.attempt)
	if waitsForStore(end.code) {
		pause = min(pause, maxStoreBackoff)
	}
	s.sleep(pause)
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
