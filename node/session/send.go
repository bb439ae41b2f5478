package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/socket"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"session-manager/node/keyless"
	"session-manager/node/ownership"
)

// Message is a text that a caller wants to be sent.
type Message struct {
	To       string // a phone number or a JID, see ParseRecipient
	Text     string
	Key      string // idempotency key
	BodyHash [32]byte
}

// Sent is a message that WhatsApp has acknowledged.
type Sent struct {
	MessageID string
	Timestamp time.Time
}

const (
	// ackTimeout is how long the server's acknowledgement is waited for. The callers' clock is 30 s.
	ackTimeout = 15 * time.Second
	// minAttempt is the least time that an attempt at a message is begun with: WhatsApp answers within a
	// second or two, and an attempt that is cut off has an unknown outcome.
	minAttempt = 2 * time.Second
	// answerTime is kept of a request's time for its answer's way back to the caller.
	answerTime = 500 * time.Millisecond
	// maxSends is how many messages of one cliente may wait: whatsmeow sends one at a time.
	maxSends = 128
)

// Send sends a text and returns once WhatsApp's server has acknowledged it, or had before
// under the same key.
//
// Nothing was sent: ErrNotReady, ErrInvalidRecipient, ErrNotOnWhatsApp, ErrGroupUnknown, ErrNotInGroup,
// ErrKeyReused, ErrStoreUnavailable, ErrNoAnswer, ErrBusy; a Refusal was not delivered. ErrReachedNobody: the server took it, but for no device. ownership.ErrUnknownOutcome:
// it may have been sent; asking again under the same key is safe. An error of ownership
// (ErrFenced, ErrLeaseLost, ErrReleased, ErrHandedOver, ErrDraining): likewise, but ask the next owner.
func (s *Session) Send(ctx context.Context, m Message) (Sent, error) {
	sent, err := s.send(ctx, m)
	s.engine.metrics.sends.WithLabelValues(outcome(err)).Inc()
	return sent, err
}

func (s *Session) send(ctx context.Context, m Message) (sent Sent, err error) {
	to, err := ParseRecipient(m.To)
	if err != nil {
		return Sent{}, err
	}
	if err = s.admit(); err != nil {
		return Sent{}, err
	}
	defer s.leave()
	// whatsmeow sends one message at a time, and its lock knows no ctx; so the turn is waited for here.
	if err := s.takeTurn(ctx); err != nil {
		return Sent{}, err
	}
	defer func() { <-s.turn }()
	stored, tried := false, false // the send stands in the store; a frame may have left
	if keyless.Is(m.Key) {
		body, claimErr := s.bodies.begin(ctx, m.Key, m.BodyHash)
		if claimErr != nil {
			return Sent{}, claimErr
		}
		m.Key = body.keys[0]
		defer func() { s.bodies.end(body, stored, err) }()
	}
	send := Send{Key: m.Key, MessageID: messageID(s.hold.Cliente(), m.Key, m.BodyHash), BodyHash: m.BodyHash}
	for {
		limit, ok := attemptLimit(ctx)
		if !ok && tried {
			return Sent{}, fmt.Errorf("%w: no time is left to try again", ownership.ErrUnknownOutcome)
		} else if !ok {
			return Sent{}, ErrBusy
		}
		t := s.transmit(to, m.Text, send, !stored, limit)
		stored = stored || t.stored
		switch {
		case t.err == nil:
			s.account.Finish(m.Key, t.sent.Timestamp)
			return t.sent, nil
		case t.stands:
			standing, ok, err := s.account.Standing(s.ctx, m.Key)
			switch {
			case err != nil:
				return Sent{}, fmt.Errorf("look up the key: %w", err)
			case !ok: // it was too old, and is gone by now
				continue
			case standing.BodyHash != m.BodyHash:
				return Sent{}, ErrKeyReused
			case standing.Done:
				stored = true
				return Sent{MessageID: standing.MessageID, Timestamp: standing.Timestamp}, nil
			}
			// Its outcome is unknown: the same ID goes out again.
			send, stored, tried = standing, true, true
			continue
		case !dropped(t.err) || s.ctx.Err() != nil:
			if tried && errors.Is(t.err, ErrStoreUnavailable) {
				return Sent{}, fmt.Errorf("%w: %v", ownership.ErrUnknownOutcome, t.err) // not this time, but maybe before
			}
			if !tried && !t.stored && errors.Is(t.err, context.DeadlineExceeded) && s.ctx.Err() == nil {
				return Sent{}, fmt.Errorf("%w: %v", ErrNoAnswer, t.err) // no ratchet was stored, so no frame left
			}
			return Sent{}, s.sendError(t.err)
		}
		tried = tried || t.stored
		// The connection broke: the same ID may go out again, whatever became of the first.
		if !s.waitReady(ctx, tried) {
			switch cause := s.cause(); {
			case cause != nil:
				return Sent{}, fmt.Errorf("%w: %w", cause, t.err)
			case tried:
				return Sent{}, fmt.Errorf("%w: %w", ownership.ErrUnknownOutcome, t.err)
			}
			return Sent{}, fmt.Errorf("%w: %w", ErrNotReady, t.err)
		}
	}
}

// takeTurn waits until no other send of this session is under way. It does so for no longer than
// leaves time for an attempt.
func (s *Session) takeTurn(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	default:
	}
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-minAttempt-answerTime))
		defer cancel()
	}
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ErrBusy
	case <-s.ctx.Done():
		return s.cause()
	}
}

// attemptLimit is when an attempt that begins now must have ended: what is left of the request's
// time, and no more than WhatsApp is waited for. ok is false where too little is left to begin.
func attemptLimit(ctx context.Context) (limit time.Time, ok bool) {
	now := time.Now()
	limit = now.Add(ackTimeout + ackTimeout/4)
	if deadline, bound := ctx.Deadline(); bound && deadline.Add(-answerTime).Before(limit) {
		limit = deadline.Add(-answerTime)
	}
	return limit, limit.Sub(now) >= minAttempt
}

// admit lets a send in while the session is ready and not stopping.
func (s *Session) admit() error {
	if err := s.hold.Check(time.Now()); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.stopping != nil:
		return s.stopping
	case s.now.State != Ready:
		return fmt.Errorf("%w: %s", ErrNotReady, s.now.State)
	case s.sends >= maxSends:
		return ErrBusy
	}
	s.sends++
	return nil
}

func (s *Session) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sends--
	if s.stopping != nil && s.sends == 0 {
		select {
		case <-s.idle:
		default:
			close(s.idle)
		}
	}
}

// transmission is how one attempt at a message ended.
type transmission struct {
	sent   Sent
	stored bool // its ratchets and the send are in the store, so that a frame may have left
	stands bool // another send is stored under the key, and nothing left
	err    error
}

// transmit hands the message to whatsmeow once, and returns by the limit.
func (s *Session) transmit(to types.JID, text string, send Send, reserve bool, limit time.Time) transmission {
	s.mu.Lock()
	client, own := s.sender, s.own
	s.mu.Unlock()
	if client == nil {
		return transmission{err: whatsmeow.ErrNotConnected}
	}
	if err := s.hold.Check(time.Now()); err != nil {
		return transmission{err: err}
	}
	begun := time.Now()
	ctx, cancel := context.WithDeadline(s.ctx, limit)
	defer cancel()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	ctx = s.account.OnFailure(ctx, fail)
	sending, ended := s.account.Sending(ctx, send, reserve)
	var response whatsmeow.SendResponse
	var known types.JID
	err := s.onBehalf(func() (err error) {
		if known, err = resolve(ctx, client, to); err != nil {
			return err
		}
		response, err = client.SendMessage(sending, known, &waE2E.Message{Conversation: proto.String(text)},
			whatsmeow.SendRequestExtra{ID: send.MessageID, Timeout: min(ackTimeout, time.Until(limit))})
		return err
	})
	addresses, stands := ended()
	t := transmission{stored: len(addresses) > 0, stands: stands, err: err}
	nothing := !t.stored && !stands && ctx.Err() == nil // left, and not for want of time or of the store
	switch away := context.Cause(ctx); {
	case err == nil && !reachedSomeone(known, own, addresses) && !s.alone(ctx, client, known, own):
		t.err = ErrReachedNobody
	case err == nil:
		t.sent = Sent{MessageID: response.ID, Timestamp: response.Timestamp.UTC()}
	case errors.Is(err, whatsmeow.ErrMessageTimedOut):
		select {
		case s.events <- silent(begun):
		default: // others have said so
		}
	case errors.Is(away, ErrStoreUnavailable) && s.ctx.Err() == nil && t.stored:
		t.err = fmt.Errorf("%w: %v: %w", ownership.ErrUnknownOutcome, away, err)
	case errors.Is(away, ErrStoreUnavailable) && s.ctx.Err() == nil:
		t.err = fmt.Errorf("%w: %w", away, err)
	case nothing && !s.sameConnection(client, begun):
		t.err = fmt.Errorf("%w: %w", whatsmeow.ErrNotConnected, err) // what was asked of WhatsApp first, was lost
	case nothing && errors.Is(err, context.Canceled):
		t.err = ErrReachedNobody // found out before the frame left
	}
	return t
}

// sameConnection says whether the client has been READY since a moment.
func (s *Session) sameConnection(client *whatsmeow.Client, since time.Time) bool {
	now := s.peek()
	return now.State == Ready && !now.ConnectedAt.After(since) && client.IsConnected()
}

// waitReady waits for the session to be READY again: patiently as long as ctx lets it, else only
// until it is known not to be.
func (s *Session) waitReady(ctx context.Context, patiently bool) bool {
	for {
		changed := s.Changed()
		s.mu.Lock()
		ready, stopping, client := s.now.State == Ready, s.stopping != nil, s.sender
		s.mu.Unlock()
		if stopping || !ready && !patiently {
			return false
		}
		if ready && client.IsConnected() {
			return true
		}
		select {
		case <-changed:
		case <-time.After(100 * time.Millisecond): // READY may be a moment behind the socket
		case <-ctx.Done():
			return false
		case <-s.ctx.Done():
			return false
		}
	}
}

// dropped says whether a send failed because the connection was not there, or broke.
func dropped(err error) bool {
	var disconnected *whatsmeow.DisconnectedError
	return errors.Is(err, whatsmeow.ErrNotConnected) || errors.Is(err, whatsmeow.ErrNotLoggedIn) ||
		errors.Is(err, socket.ErrSocketClosed) || errors.As(err, &disconnected)
}

// sendError gives what whatsmeow returned its sentinel.
func (s *Session) sendError(err error) error {
	switch {
	case s.ownershipLost(err) || s.ctx.Err() != nil:
		return fmt.Errorf("%w: %w", context.Cause(s.ctx), err)
	case errors.Is(err, whatsmeow.ErrMessageTimedOut), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: %w", ownership.ErrUnknownOutcome, err)
	}
	if refusal := s.refusal(err); refusal != nil {
		return refusal
	}
	return err
}

func outcome(err error) string {
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return "refused"
	}
	for _, o := range []struct {
		err   error
		label string
	}{
		{nil, "sent"}, {ErrNotReady, "not_ready"}, {ErrInvalidRecipient, "invalid"}, {ErrReachedNobody, "reached_nobody"},
		{ErrNotOnWhatsApp, "not_on_whatsapp"}, {ErrGroupUnknown, "group_unknown"}, {ErrNotInGroup, "not_in_group"}, {ErrNoAnswer, "no_answer"},
		{ErrKeyReused, "key_reused"}, {ErrStoreFailed, "store_failed"}, {ErrStoreUnavailable, "store_unavailable"}, {ErrBusy, "busy"},
		{ownership.ErrUnknownOutcome, "unknown"}, {ownership.ErrFenced, "fenced"}, {ownership.ErrLeaseLost, "lease_lost"},
	} {
		if errors.Is(err, o.err) {
			return o.label
		}
	}
	return "failed"
}
