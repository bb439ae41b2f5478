package session

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types/events"
)

// Refusal is an error code of WhatsApp's server in answer to a message, or to what had to be asked
// before it. The message was not delivered.
type Refusal struct {
	Code  int
	Until time.Time // the end of a lock of this account that explains the code; zero: none is known
}

func (r *Refusal) Error() string {
	if r.Until.IsZero() {
		return fmt.Sprintf("WhatsApp refused the message with code %d", r.Code)
	}
	return fmt.Sprintf("WhatsApp refused the message with code %d: new chats are locked until %s", r.Code, r.Until.UTC().Format(time.RFC3339))
}

// codeReachout is the code of a message that its account may not begin a chat with: the recipient does not
// want it, or WhatsApp has locked new chats for a while (whatsmeow's event NotifyAccountReachoutTimelock).
const codeReachout = 463

// refusal turns whatsmeow's error into what callers are told: a Refusal, ErrGroupUnknown, ErrNotInGroup,
// or ErrNoAnswer. It returns nil where WhatsApp's server did not refuse.
func (s *Session) refusal(err error) error {
	var query *whatsmeow.IQError
	switch {
	case errors.Is(err, whatsmeow.ErrServerReturnedError):
		// whatsmeow gives the code in the text alone: "server returned error 463".
		text := err.Error()
		code, parsed := strconv.Atoi(text[strings.LastIndexByte(text, ' ')+1:])
		if parsed != nil {
			return nil
		}
		return s.refused(code)
	case errors.Is(err, whatsmeow.ErrGroupNotFound):
		return fmt.Errorf("%w: %w", ErrGroupUnknown, err)
	case errors.Is(err, whatsmeow.ErrNotInGroup):
		return fmt.Errorf("%w: %w", ErrNotInGroup, err)
	case errors.Is(err, whatsmeow.ErrIQTimedOut):
		return fmt.Errorf("%w: %w", ErrNoAnswer, err)
	case errors.As(err, &query) && query.Code >= 500:
		return fmt.Errorf("%w: %w", ErrNoAnswer, err)
	case errors.As(err, &query) && query.Code >= 400:
		return s.refused(query.Code)
	}
	return nil
}

func (s *Session) refused(code int) *Refusal {
	s.engine.metrics.refusals.WithLabelValues(strconv.Itoa(code)).Inc()
	r := &Refusal{Code: code}
	if code == codeReachout {
		s.mu.Lock()
		defer s.mu.Unlock()
		if time.Now().Before(s.lockedUntil) {
			r.Until = s.lockedUntil
		}
	}
	return r
}

// lock books that WhatsApp lets this account begin no chats for a while, or does again.
func (s *Session) lock(e *events.NotifyAccountReachoutTimelock) {
	var until time.Time
	if e.IsActive {
		until = e.TimeEnforcementEnds.Time
	}
	s.mu.Lock()
	changed := !s.lockedUntil.Equal(until)
	s.lockedUntil = until
	s.mu.Unlock()
	if changed {
		s.log.Warn("WhatsApp has changed this account's lock on new chats", "active", e.IsActive, "until", until, "type", e.EnforcementType)
	}
}
