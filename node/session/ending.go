package session

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mau.fi/whatsmeow/types/events"

	"session-manager/node/ownership"
)

// silent is the event that a send which began then was not acknowledged in time: the socket
// may be deaf.
type silent time.Time

// ended maps the events with which whatsmeow reports a connection's end.
func (s *Session) ended(event any, codesLeft int) any {
	switch e := event.(type) {
	case *events.Disconnected:
		if !s.paired && s.peek().State == QRRequired && codesLeft == 0 {
			return expired{} // the server closes a pairing connection when it has no more codes
		}
		return lost{"DISCONNECTED", errors.New("connection to WhatsApp was lost")}
	case *events.LoggedOut:
		reason := "the phone removed this device"
		if e.OnConnect {
			reason = e.Reason.String()
		}
		return refused{DisconnectedLogout, "LOGGED_OUT", errors.New(reason)}
	case *events.StreamReplaced:
		return replaced{}
	case *events.TemporaryBan:
		pause := banPause
		if e.Expire > 0 {
			pause = min(e.Expire, banPause)
		}
		return banned{pause, errors.New(e.String())}
	case *events.ClientOutdated:
		return outdated{}
	case *events.ConnectFailure:
		err := fmt.Errorf("WhatsApp refused the login: %s %s", e.Reason, e.Message)
		if !s.paired {
			return refused{AuthFailure, "LOGIN_REFUSED", err}
		}
		return lost{"LOGIN_REFUSED", err}
	case *events.StreamError:
		return lost{"STREAM_ERROR", fmt.Errorf("WhatsApp ended the stream with code %q", e.Code)}
	}
	return nil
}

// ownershipLost says whether err came from the end of the ownership, so that another owner
// may try the same again.
func (s *Session) ownershipLost(err error) bool {
	for _, e := range []error{ownership.ErrFenced, ownership.ErrLeaseLost, ownership.ErrNotOwner, ownership.ErrReleased, ownership.ErrHandedOver, ownership.ErrDraining} {
		if errors.Is(err, e) {
			return true
		}
	}
	return s.ctx.Err() != nil && (errors.Is(err, context.Canceled) || strings.Contains(err.Error(), context.Canceled.Error()))
}
