package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

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
	// maxSends is how many messages of one cliente may wait: whatsmeow sends one at a time.
	maxSends = 128
)

// Send sends a text and returns once WhatsApp's server has acknowledged it, or had before
// under the same key.
//
// Nothing was sent: ErrNotReady, ErrInvalidRecipient, ErrKeyReused, ErrStoreUnavailable,
// ErrBusy. ErrReachedNobody: the server took it, but for no device. ownership.ErrUnknownOutcome:
// it may have been sent; asking again under the same key is safe. An error of ownership
// (ErrFenced, ErrLeaseLost, ErrReleased, ErrHandedOver, ErrDraining): likewise, but ask the next owner.
func (s *Session) Send(ctx context.Context, m Message) (Sent, error) {
	sent, err := s.send(ctx, m)
	s.engine.metrics.sends.WithLabelValues(outcome(err)).Inc()
	return sent, err
}

func (s *Session) send(ctx context.Context, m Message) (Sent, error) {
	to, err := ParseRecipient(m.To)
	if err != nil {
		return Sent{}, err
	}
	if err := s.admit(); err != nil {
		return Sent{}, err
	}
	defer s.leave()
	reserved, err := s.account.Reserve(s.ctx, Send{Key: m.Key, MessageID: messageID(s.hold.Cliente(), m.Key), BodyHash: m.BodyHash})
	switch {
	case err != nil:
		return Sent{}, fmt.Errorf("reserve: %w", err)
	case reserved.BodyHash != m.BodyHash:
		return Sent{}, ErrKeyReused
	case reserved.Done:
		return Sent{MessageID: reserved.MessageID, Timestamp: reserved.Timestamp}, nil
	}
	// whatsmeow sends one message at a time, and its lock knows no ctx; so the turn is waited for here.
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return Sent{}, ErrBusy
	case <-s.ctx.Done():
		return Sent{}, s.cause()
	}
	for first := true; ; first = false {
		sent, err := s.transmit(to, m.Text, reserved.MessageID)
		if err == nil {
			s.finish(m.Key, sent)
			return sent, nil
		}
		if !dropped(err) || s.ctx.Err() != nil {
			if !first && errors.Is(err, ErrStoreUnavailable) {
				err = fmt.Errorf("%w: %v", ownership.ErrUnknownOutcome, err) // not this time, but maybe before
			}
			return Sent{}, s.sendError(err)
		}
		// The connection broke: the same ID may go out again, whatever became of the first.
		if !s.waitReady(ctx) {
			if cause := s.cause(); cause != nil {
				return Sent{}, fmt.Errorf("%w: %w", cause, err)
			}
			return Sent{}, fmt.Errorf("%w: %w", ownership.ErrUnknownOutcome, err)
		}
	}
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

// transmit hands the message to whatsmeow once.
func (s *Session) transmit(to types.JID, text string, id types.MessageID) (Sent, error) {
	s.mu.Lock()
	client, own := s.sender, s.own
	s.mu.Unlock()
	if client == nil {
		return Sent{}, whatsmeow.ErrNotConnected
	}
	if err := s.hold.Check(time.Now()); err != nil {
		return Sent{}, err
	}
	begun := time.Now()
	ctx, cancel := context.WithTimeout(s.ctx, ackTimeout+ackTimeout/4)
	defer cancel()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	ctx = s.account.OnFailure(ctx, func(err error) { fail(fmt.Errorf("%w: %w", ErrStoreUnavailable, err)) })
	ctx, addresses := s.account.CountRatchets(ctx)
	response, err := client.SendMessage(ctx, to, &waE2E.Message{Conversation: proto.String(text)},
		whatsmeow.SendRequestExtra{ID: id, Timeout: ackTimeout})
	if err != nil {
		if errors.Is(err, whatsmeow.ErrMessageTimedOut) {
			select {
			case s.events <- silent(begun):
			default: // others have said so
			}
		}
		if away := context.Cause(ctx); errors.Is(away, ErrStoreUnavailable) && s.ctx.Err() == nil {
			if len(addresses()) == 0 { // a frame leaves after its ratchets were stored
				return Sent{}, fmt.Errorf("%w: %w", away, err)
			}
			return Sent{}, fmt.Errorf("%w: %v: %w", ownership.ErrUnknownOutcome, away, err)
		}
		return Sent{}, err
	}
	if !reachedSomeone(to, own, addresses()) {
		return Sent{}, ErrReachedNobody
	}
	return Sent{MessageID: response.ID, Timestamp: response.Timestamp.UTC()}, nil
}

// finish books the acknowledgement. That this fails changes nothing for the caller: the
// message is out, and under its key the same ID would go out again.
func (s *Session) finish(key string, sent Sent) {
	if err := s.account.Finish(s.ctx, key, sent.Timestamp); err != nil {
		s.log.Warn("acknowledged send was not booked as done", "err", err)
	}
}

// waitReady waits for the session to be READY again.
func (s *Session) waitReady(ctx context.Context) bool {
	for {
		changed := s.Changed()
		s.mu.Lock()
		ready, stopping, client := s.now.State == Ready, s.stopping != nil, s.sender
		s.mu.Unlock()
		if stopping {
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
	return errors.Is(err, whatsmeow.ErrNotConnected) || errors.Is(err, whatsmeow.ErrNotLoggedIn) || errors.As(err, &disconnected)
}

// sendError gives what whatsmeow returned its sentinel.
func (s *Session) sendError(err error) error {
	switch {
	case s.ownershipLost(err) || s.ctx.Err() != nil:
		return fmt.Errorf("%w: %w", context.Cause(s.ctx), err)
	case errors.Is(err, whatsmeow.ErrMessageTimedOut), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: %w", ownership.ErrUnknownOutcome, err)
	}
	return err
}

func outcome(err error) string {
	for _, o := range []struct {
		err   error
		label string
	}{
		{nil, "sent"}, {ErrNotReady, "not_ready"}, {ErrInvalidRecipient, "invalid"}, {ErrReachedNobody, "reached_nobody"},
		{ErrKeyReused, "key_reused"}, {ErrStoreUnavailable, "store_unavailable"}, {ErrBusy, "busy"},
		{ownership.ErrUnknownOutcome, "unknown"}, {ownership.ErrFenced, "fenced"}, {ownership.ErrLeaseLost, "lease_lost"},
	} {
		if errors.Is(err, o.err) {
			return o.label
		}
	}
	return "failed"
}
