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
	p := progress{timer: time.NewTimer(loginTimeout)}
	defer p.timer.Stop()
	for {
		var end any
		select {
		case <-link.Done():
			end = s.cutOff(link)
		case <-s.quit:
			end = stopped{}
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
	deaf       int         // keep-alives in a row that were not answered
	restarting bool        // the server has asked for a new connection
}

// cutOff is the end of a connection whose ctx has ended.
func (s *Session) cutOff(link context.Context) any {
	if s.ctx.Err() != nil {
		return stopped{}
	}
	return lost{storeCode(context.Cause(link)), context.Cause(link)}
}

// late shows the next code, where one is shown. It returns why the connection ends.
func (s *Session) late(p *progress) any {
	switch {
	case s.peek().State == Ready:
	case s.peek().State != QRRequired:
		return lost{"LOGIN_TIMEOUT", errors.New("WhatsApp did not answer the login in time")}
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
		if s.paired {
			return restart{}
		}
		p.restarting = true // its PairSuccess is on the way, on another goroutine
	case *events.Connected:
		p.deaf = 0
		if s.client.IsConnected() { // else its Disconnected is on the way
			s.connected()
		}
	case *events.KeepAliveTimeout:
		if p.deaf++; p.deaf >= maxDeaf {
			return lost{"DEAF", errors.New("WhatsApp does not answer keep-alives")}
		}
	case *events.KeepAliveRestored:
		p.deaf = 0
	case panicked:
		panic(e.value) // as if it had been here: the session begins anew
	case silent:
		if time.Time(e).After(s.peek().ConnectedAt) { // else it was on a connection of before
			return lost{"DEAF", errors.New("WhatsApp did not acknowledge a message")}
		}
	default:
		return s.ended(e, len(p.codes))
	}
	return nil
}

// show puts the next code up, and returns those that are left.
func (s *Session) show(codes []string, shown time.Duration, timer *time.Timer) []string {
	timer.Reset(shown)
	s.update(func(now *Snapshot) {
		now.State, now.QR = QRRequired, codes[0]
		now.QRGenerated = time.Now()
		now.QRExpires = now.QRGenerated.Add(shown)
	})
	return codes[1:]
}

func (s *Session) connected() {
	s.engine.metrics.logins.Inc()
	s.mu.Lock()
	s.own = []types.JID{s.client.Store.GetJID(), s.client.Store.GetLID()}
	s.mu.Unlock()
	s.update(func(now *Snapshot) {
		now.State, now.Attempts, now.ConnectedAt = Ready, 0, time.Now()
		now.QR, now.QRExpires, now.QRGenerated = "", time.Time{}, time.Time{}
		now.LastError = ErrorInfo{}
		if id := s.client.Store.ID; id != nil {
			now.Phone = "+" + id.User
		}
	})
}

// post hands an event to run, unless the session ends.
func (s *Session) post(event any) {
	select {
	case s.events <- event:
	case <-s.ctx.Done():
	}
}
