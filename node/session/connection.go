package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waWa6"
	wastore "go.mau.fi/whatsmeow/store"
)

const (
	// loginTimeout bounds the way from a connection to READY, or to the first QR.
	loginTimeout = 40 * time.Second
	// firstCode and nextCode are how long WhatsApp Web shows a QR code; six come at a time.
	firstCode = 60 * time.Second
	nextCode  = 20 * time.Second
	// socketPoll is between two looks at whether a socket has closed.
	socketPoll = 5 * time.Millisecond
)

// load makes the client of the stored device, where there is none yet. It returns why it
// could not, nil when there is one. After a failure of the store no login is tried before the store
// writes again: WhatsApp would see one after the other fail.
func (s *Session) load() any {
	if waitsForStore(s.peek().LastError.Code) {
		if err := s.account.Answers(s.ctx); err != nil {
			return s.unloaded(err)
		}
	}
	if s.client != nil {
		return nil
	}
	device, err := s.account.Device(s.ctx)
	if err != nil {
		return s.unloaded(err)
	}
	s.paired = device.ID != nil
	s.bodies.add(s.account.Open())
	s.client = s.newClient(device)
	s.mu.Lock()
	s.sender = s.client
	s.mu.Unlock()
	return nil
}

// unloaded is how an attempt ends that got no device from the store.
func (s *Session) unloaded(err error) any {
	var rest *RestError
	var stored *RestrictedError
	switch {
	case s.ctx.Err() != nil:
		return stopped{}
	case errors.As(err, &rest):
		return resting{rest}
	case errors.As(err, &stored):
		s.paired = stored.Phone != ""
		s.update(func(now *Snapshot) { now.Phone, now.Restriction = stored.Phone, stored.Restriction })
		return restricted{Restriction: stored.Restriction, stored: true}
	case errors.Is(err, ErrCorrupt):
		return broken{"CREDENTIALS_CORRUPT", err}
	}
	s.paired = s.paired || s.client == nil // as far as we know: the store does not answer for now
	return lost{storeCode(err), err}
}

// errNoToken is what whatsmeow is told that wants a new token; those are for other kinds of clients.
var errNoToken = errors.New("this client has no token")

func (s *Session) newClient(device *wastore.Device) *whatsmeow.Client {
	keepDevice(device)
	c := whatsmeow.NewClient(device, clientLog{s.log, &s.news, "client", s.engine.metrics})
	c.SetWebsocketHTTPClient(s.engine.http)
	c.SetPreLoginHTTPClient(s.engine.http) // the pairing connection has one of its own
	c.SetMediaHTTPClient(s.engine.http)
	c.BackgroundEventCtx = s.ctx
	c.GetClientPayload = func() *waWa6.ClientPayload { return s.engine.payload(device) }
	c.EnableAutoReconnect = false
	c.DisableLoginAutoReconnect = true
	c.SynchronousAck = true
	c.EnableDecryptedEventBuffer = true
	c.UseRetryMessageStore = true
	c.RefreshCAT = func(context.Context) error { return errNoToken } // without one, codes 413 and 414 end the process
	c.AddEventHandlerWithSuccessStatus(func(event any) bool { return s.handle(c, event) })
	return c
}

// forget drops the client; the next connection begins with what is stored then.
func (s *Session) forget() {
	s.client = nil
	s.mu.Lock()
	s.sender = nil
	s.mu.Unlock()
}

// disconnect closes the socket, and waits for that. Where its ctx has ended or the server is
// closing, the socket closes by itself, and is only waited for: whatsmeow does not guard its
// own Disconnect against a close that comes at the same moment.
func (s *Session) disconnect(byItself bool) {
	if s.client == nil {
		return
	}
	if byItself || s.ctx.Err() != nil {
		for limit := time.Now().Add(s.engine.cfg.Timing.Stop / 2); time.Now().Before(limit); time.Sleep(socketPoll) {
			if !s.client.IsConnected() {
				time.Sleep(socketPoll) // whatsmeow books the close just after it
				return
			}
		}
	}
	s.client.Disconnect()
}

// connection connects and follows the connection to its end.
func (s *Session) connection() any {
	s.begin()
	if pause := max(s.lateBy, s.pace.wait(time.Now())); pause > 0 {
		s.sleep(pause)
		if s.quitting() {
			return stopped{}
		}
	}
	s.pace.took(time.Now())
	s.opened = true
	if err := s.hold.Check(time.Now()); err != nil {
		return stopped{}
	}
	link, cut := s.newLink()
	defer cut(nil)
	if end := s.open(link); end != nil {
		return end
	}
	end := s.follow(link)
	switch end.(type) {
	case stopped, lost, ordered:
		s.disconnect(link.Err() != nil)
	default:
		s.disconnect(true)
	}
	return end
}

// begin is the state before a connection, without events and requests of before.
func (s *Session) begin() {
	for drained := false; !drained; {
		select {
		case <-s.events:
		case <-s.wake:
		case <-s.order:
		default:
			drained = true
		}
	}
	if id := s.client.Store.ID; id != nil {
		s.paired = true
		s.update(func(now *Snapshot) { now.is(Reconnecting); now.Phone = "+" + id.User })
	} else {
		s.paired = false
		unreachable := s.engine.Reachable()
		s.update(func(now *Snapshot) {
			if (now.State == DisconnectedLogout || now.State == AuthFailure) && s.lateBy == 0 {
				now.LastError = ErrorInfo{} // a new pairing; what ended the last one is over
			}
			if unreachable != nil && now.LastError.Code == "" {
				now.LastError = unreachableError(unreachable) // as far as is known; callers need not find out again
			}
			now.is(Initializing)
		})
	}
}

// newLink is the ctx of a connection, and what ends it. The store ends it when it does not carry
// out what whatsmeow asks of it on its own: of a message that cannot be decrypted or stored now,
// nothing may be said to WhatsApp, which then delivers it again at the next login.
func (s *Session) newLink() (link context.Context, cut context.CancelCauseFunc) {
	link, cut = context.WithCancelCause(s.ctx)
	link = s.account.OnFailure(link, func(err error) { cut(err) })
	s.mu.Lock()
	s.link = link
	s.mu.Unlock()
	return link, cut
}

// open opens the socket and shakes hands. It returns why it could not, nil when it has.
func (s *Session) open(link context.Context) any {
	err := s.connect(link)
	s.engine.reached(err)
	switch {
	case err == nil:
		return nil
	case s.ctx.Err() != nil:
		return stopped{}
	case errors.Is(err, wastore.ErrDeviceDeleted):
		return refused{DisconnectedLogout, codeLoggedOut, err}
	}
	return lost{codeUnreachable, fmt.Errorf("connect to WhatsApp: %w", err)}
}

// unreachableError is what callers are told of a session that does not know for itself yet.
func unreachableError(err error) ErrorInfo {
	return ErrorInfo{codeUnreachable, "connect to WhatsApp: " + err.Error()}
}

// connect is open's call of whatsmeow, whose handshake waits for 20 s without looking at its ctx:
// it is left behind when the session ends, and its socket dies with the ctx.
func (s *Session) connect(link context.Context) error {
	result := make(chan error, 1)
	client := s.client
	s.engine.work.Go(func() { result <- client.ConnectContext(link) })
	select {
	case err := <-result:
		return err
	case <-s.ctx.Done():
	case <-s.quit:
		s.cancel(s.cause())
	}
	select {
	case <-result:
	case <-time.After(s.engine.cfg.Timing.Stop / 4):
		s.client = nil // whatsmeow holds its lock until the handshake has given up
	}
	return context.Cause(s.ctx)
}
