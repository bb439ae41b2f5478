package session

import (
	"errors"
	"strconv"
	"time"
)

// run takes the account from one connection to the next until there is a reason to end. For as
// long as the account is connected its goroutine waits in follow, with the frames above it: they are
// kept so small that their stack shrinks to 4 KB.
func (s *Session) run() error {
	for {
		if err := s.hold.Check(time.Now()); err != nil {
			return err
		}
		if s.quitting() {
			return s.cause()
		}
		s.opened, s.came = false, time.Time{}
		ending := apart(s.load)
		if ending == nil {
			ending = s.connection()
		}
		if err := s.after(ending); err != nil {
			return err
		}
	}
}

// after does what a connection's end, or that of the attempt at one, asks for, and returns when the
// next one may begin. Its error is why the session ends.
func (s *Session) after(ending any) error {
	switch ending.(type) {
	case stopped:
		return s.cause()
	case resting:
		s.engine.metrics.rests.Inc()
	case replaced:
		if err := s.hold.Check(time.Now()); err != nil {
			return err
		}
	}
	f := s.facts()
	if f.lasted >= steady {
		s.news.Forget()
	}
	v := s.misses.next(ending, f)
	if v.refresh {
		s.failed(v.state, v.code, v.err)
		if err := s.unlabelled(func() error { return s.engine.refreshVersion(s.ctx, freshVersion) }); err != nil {
			v = s.misses.next(unrefreshed{err}, facts{})
		}
	}
	if v.delete {
		if err := s.delete(&v); err != nil {
			return err
		}
	}
	return s.carryOut(v)
}

// facts are those of the connection that has just ended.
func (s *Session) facts() facts {
	f := facts{paired: s.paired, opened: s.opened, shown: !s.paired && !s.came.IsZero(), most: s.engine.cfg.MaxReconnections}
	if !s.came.IsZero() {
		f.lasted = time.Since(s.came)
	}
	return f
}

// delete deletes the stored device, for the reason that the verdict has. Where the store does not do
// it now, WhatsApp says the same at the next login.
func (s *Session) delete(v *verdict) error {
	if v.restriction.Code != 0 {
		v.restriction.Since = time.Now()
	}
	err := s.account.Forget(s.ctx, v.restriction)
	switch {
	case err == nil:
		if v.restriction.Code != 0 {
			s.engine.metrics.restrictions.WithLabelValues(strconv.Itoa(v.restriction.Code)).Inc()
		}
		s.update(func(now *Snapshot) { now.Restriction = v.restriction })
	case s.ctx.Err() != nil:
		return s.cause()
	case errors.Is(err, ErrStoreUnavailable):
		*v = s.misses.next(lost{storeCode(err), err}, facts{paired: true, opened: true})
		v.forget = true
	default:
		return err
	}
	return nil
}

// carryOut moves to the state of a verdict, and waits for what it says.
func (s *Session) carryOut(v verdict) error {
	if v.end != nil {
		return v.end
	}
	if v.forget {
		s.forget()
	}
	s.lateBy = v.late
	if v.state != "" {
		shown := min(s.misses.attempts, s.engine.cfg.MaxReconnections)
		s.update(func(now *Snapshot) { now.Attempts = shown })
		s.failed(v.state, v.code, v.err)
	}
	switch {
	case v.resting:
		s.rest(v)
	case v.pause > 0:
		s.sleep(v.pause)
	}
	return nil
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

// sleep waits for d, an order, or the session's end.
func (s *Session) sleep(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	s.waiting(time.Time{}, func() {
		select {
		case <-timer.C:
		case <-s.order:
			s.begun()
		case <-s.quit:
		case <-s.ctx.Done():
		}
	})
}

// rest waits until a request or an order ends the rest, or its time is up, or the session ends.
func (s *Session) rest(v verdict) {
	var timeout <-chan time.Time
	if v.rest > 0 {
		timer := time.NewTimer(v.rest)
		defer timer.Stop()
		timeout = timer.C
	}
	wake := s.wake
	if v.orderOnly {
		wake = nil
	}
	s.waiting(time.Now().Add(v.tooSoon), func() {
		select {
		case <-wake:
		case <-timeout:
		case <-s.order:
			s.begun()
		case <-s.quit:
		case <-s.ctx.Done():
		}
	})
}

// begun makes what went wrong forgotten: somebody has ordered so.
func (s *Session) begun() {
	s.misses, s.lateBy = misses{}, 0
	s.update(func(now *Snapshot) { now.Attempts, now.Restriction, now.LastError = 0, Restriction{}, ErrorInfo{} })
}
