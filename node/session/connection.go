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

// How a connection, or the attempt at one, ends.
type (
	stopped struct{} // the session is to end
	restart struct{} // after pairing: connect again at once
	expired struct{} // no code was scanned
	lost    struct { // the network, or the server for now
		code string
		err  error
	}
	refused struct { // the credentials are not valid (any more)
		state State
		code  string
		err   error
	}
	broken struct { // nothing that time cures
		code string
		err  error
	}
	banned struct {
		expires time.Duration
		err     error
	}
	resting  struct{ *RestError } // a process has died of what WhatsApp sent to this cliente
	outdated struct{}
	replaced struct{}
)

const (
	// loginTimeout bounds the way from a connection to READY, or to the first QR.
	loginTimeout = 40 * time.Second
	// firstCode and nextCode are how long WhatsApp Web shows a QR code; six come at a time.
	firstCode = 60 * time.Second
	nextCode  = 20 * time.Second
	// maxDeaf is how many keep-alives in a row may go unanswered: each is sent after 20-30 s.
	maxDeaf = 2
	// banPause is how long a ban without an end is waited for, and the most for one with.
	banPause = time.Hour
	// socketPoll is between two looks at whether a socket has closed.
	socketPoll = 5 * time.Millisecond
)

// The codes of a connection that the credential store ended, or kept from being.
const (
	storeUnavailable = "STORE_UNAVAILABLE"
	storeFailedCode  = "STORE_FAILED" // it answers, but with an error that nobody foresaw
)

func storeCode(err error) string {
	if errors.Is(err, ErrStoreFailed) {
		return storeFailedCode
	}
	return storeUnavailable
}

// waitsForStore says whether a code is one of them.
func waitsForStore(code string) bool { return code == storeUnavailable || code == storeFailedCode }

// crashed is the code of a session that rests since a process died of what WhatsApp sent to it.
const crashed = "CRASHED"

// load makes the client of the stored device, where there is none yet. It returns why it
// could not, nil when there is one. While the store is away no login is tried: WhatsApp would
// see one after the other fail.
func (s *Session) load() any {
	if s.client != nil {
		if !waitsForStore(s.peek().LastError.Code) {
			return nil
		}
		if err := s.account.Answers(s.ctx); err != nil {
			return lost{storeCode(err), err}
		}
		return nil
	}
	device, err := s.account.Device(s.ctx)
	var rest *RestError
	switch {
	case err == nil:
	case s.ctx.Err() != nil:
		return stopped{}
	case errors.As(err, &rest):
		return resting{rest}
	case errors.Is(err, ErrCorrupt):
		return broken{"CREDENTIALS_CORRUPT", err}
	default:
		s.paired = true // as far as we know: the store does not answer for now
		return lost{storeCode(err), err}
	}
	s.paired = device.ID != nil
	s.client = s.newClient(device)
	s.mu.Lock()
	s.sender = s.client
	s.mu.Unlock()
	return nil
}

func (s *Session) newClient(device *wastore.Device) *whatsmeow.Client {
	c := whatsmeow.NewClient(device, clientLog{s.log, "client", s.engine.metrics})
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
	if err := s.hold.Check(time.Now()); err != nil {
		return stopped{}
	}
	link, cut := s.newLink()
	defer cut(nil)
	if end := s.open(link); end != nil {
		return end
	}
	end := s.follow(link)
	_, own := end.(stopped)
	_, dropped := end.(lost)
	s.disconnect(link.Err() != nil || !own && !dropped)
	return end
}

// begin is the state before a connection, without events and requests of before.
func (s *Session) begin() {
	for drained := false; !drained; {
		select {
		case <-s.events:
		case <-s.wake:
		default:
			drained = true
		}
	}
	if id := s.client.Store.ID; id != nil {
		s.paired = true
		s.update(func(now *Snapshot) { now.State = Reconnecting; now.Phone = "+" + id.User })
	} else {
		s.paired = false
		s.to(Initializing)
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
		return refused{DisconnectedLogout, "LOGGED_OUT", err}
	}
	return lost{"CONNECT_FAILED", fmt.Errorf("connect to WhatsApp: %w", err)}
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
