package session

import (
	"context"
	"errors"
	"time"

	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
)

// follow books the events of one connection until it ends.
func (s *Session) follow(link context.Context) any {
	p := progress{timer: time.NewTimer(loginTimeout), pairing: !s.paired}
	defer p.timer.Stop()
	for {
		var end any
		select {
		case <-link.Done():
			end = s.cutOff(link)
		case <-s.quit:
			end = stopped{}
		case <-s.order:
			if s.peek().State == Ready {
				end = ordered{} // else it is at it
			}
		case <-p.timer.C:
			end = s.late(&p)
		case event := <-s.events:
			end = s.book(event, &p)
		}
		if end != nil {
			return end
		}
	}
}

// progress is how far a connection has come.
type progress struct {
	timer      *time.Timer // until the login, or the code that is shown, has taken too long
	codes      []string    // still to be shown
	pairing    bool        // the device was not paired when the connection began
	restarting bool        // the server has asked for a new connection
}

// cutOff is the end of a connection whose ctx has ended.
func (s *Session) cutOff(link context.Context) any {
	if s.ctx.Err() != nil {
		return stopped{}
	}
	return lost{storeCode(context.Cause(link)), context.Cause(link)}
}

var errDeaf = errors.New("WhatsApp did not answer a keep-alive")

// late shows the next code, where one is shown. It returns why the connection ends.
func (s *Session) late(p *progress) any {
	switch {
	case s.peek().State == Ready:
	case s.peek().State != QRRequired:
		return lost{codeLoginTimeout, errors.New("WhatsApp did not answer the login in time")}
	case len(p.codes) == 0:
		return expired{}
	default:
		p.codes = s.show(p.codes, nextCode, p.timer)
	}
	return nil
}

// book books one event. It returns why the connection ends, nil where it goes on.
func (s *Session) book(event any, p *progress) any {
	switch e := event.(type) {
	case *events.QR:
		if len(e.Codes) > 0 && !s.paired {
			p.codes = s.show(e.Codes, firstCode, p.timer)
		}
	case *events.PairSuccess:
		s.paired = true
		if p.restarting {
			return restart{}
		}
		s.to(Reconnecting)
		p.timer.Reset(loginTimeout)
	case *events.PairError:
		return refused{AuthFailure, "PAIRING_FAILED", e.Error}
	case *events.ManualLoginReconnect:
		switch {
		case !p.pairing: // WhatsApp asks for a new connection for a reason of its own, and may do so again
			return lost{codeStreamError, errors.New("WhatsApp asked for a new connection (515)")}
		case s.paired:
			return restart{}
		}
		p.restarting = true // its PairSuccess is on the way, on another goroutine
	case *events.Connected:
		if s.client.IsConnected() { // else its Disconnected is on the way
			s.connected()
		}
	case *events.KeepAliveTimeout:
		return lost{codeDeaf, errDeaf}
	case panicked:
		panic(e.value) // as if it had been here: the session begins anew
	case silent:
		if time.Time(e).After(s.peek().ConnectedAt) { // else it was on a connection of before
			return lost{codeDeaf, errors.New("WhatsApp did not acknowledge a message")}
		}
	default:
		return s.ended(e, len(p.codes))
	}
	return nil
}

// show puts the next code up, and returns those that are left.
func (s *Session) show(codes []string, shown time.Duration, timer *time.Timer) []string {
	timer.Reset(shown)
	s.arrived()
	s.update(func(now *Snapshot) {
		now.is(QRRequired)
		now.QR, now.LastError = codes[0], ErrorInfo{}
		now.QRGenerated = time.Now()
		now.QRExpires = now.QRGenerated.Add(shown)
	})
	return codes[1:]
}

// arrived notes that the connection came to what it is for.
func (s *Session) arrived() {
	if s.came.IsZero() {
		s.came = time.Now()
	}
}

func (s *Session) connected() {
	s.engine.metrics.logins.Inc()
	s.came = time.Now()
	s.mu.Lock()
	s.own = []types.JID{s.client.Store.GetJID(), s.client.Store.GetLID()}
	s.mu.Unlock()
	s.update(func(now *Snapshot) {
		now.is(Ready)
		now.Attempts, now.ConnectedAt = 0, time.Now()
		now.LastError = ErrorInfo{}
		if id := s.client.Store.ID; id != nil {
			now.Phone = "+" + id.User
		}
		now.LID, now.Name = s.client.Store.GetLID().User, s.client.Store.PushName
	})
}

// post hands an event to run, unless the session ends.
func (s *Session) post(event any) {
	select {
	case s.events <- event:
	case <-s.ctx.Done():
	}
}
