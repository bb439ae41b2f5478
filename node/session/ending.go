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

// How a connection, or the attempt at one, ends.
type (
	stopped struct{} // the session is to end
	restart struct{} // after pairing: connect again at once
	ordered struct{} // a caller wants the session to begin anew
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
	banned struct { // for a while
		expires time.Duration // 0: nobody says until when
		err     error
	}
	restricted struct { // for good, as far as we know
		Restriction
		stored bool // before
	}
	resting  struct{ *RestError } // a process has died of what WhatsApp sent to this cliente
	outdated struct{}
	replaced struct{}
)

// silent is the event that a send which began then was not acknowledged in time: the socket
// may be deaf.
type silent time.Time

// The codes of what callers are told as the last error.
const (
	codeBanned       = "BANNED"
	codeLoggedOut    = "LOGGED_OUT"
	codeLoginRefused = "LOGIN_REFUSED"
	codeStreamError  = "STREAM_ERROR"
	codeUnreachable  = "CONNECT_FAILED"
	codeDeaf         = "DEAF"
	codeLoginTimeout = "LOGIN_TIMEOUT"
	codePanic        = "PANIC"
	// crashed is the code of a session that rests since a process died of what WhatsApp sent to it.
	crashed = "CRASHED"
	// The codes of a connection that the credential store ended, or kept from being.
	storeUnavailable = "STORE_UNAVAILABLE"
	storeFailedCode  = "STORE_FAILED" // it answers, but with an error that nobody foresaw
)

func storeCode(err error) string {
	if errors.Is(err, ErrStoreFailed) {
		return storeFailedCode
	}
	return storeUnavailable
}

// waitsForStore says whether a code is one of the store's.
func waitsForStore(code string) bool { return code == storeUnavailable || code == storeFailedCode }

// ended maps the events with which whatsmeow reports a connection's end.
func (s *Session) ended(event any, codesLeft int) any {
	switch e := event.(type) {
	case *events.Disconnected:
		if !s.paired && s.peek().State == QRRequired && codesLeft == 0 {
			return expired{} // the server closes a pairing connection when it has no more codes
		}
		return lost{"DISCONNECTED", errors.New("connection to WhatsApp was lost")}
	case *events.LoggedOut:
		if !e.OnConnect {
			return refused{DisconnectedLogout, codeLoggedOut, errors.New("the phone removed this device")}
		}
		return refusal(int(e.Reason), e.Reason.String(), s.paired)
	case *events.StreamReplaced:
		return replaced{}
	case *events.TemporaryBan:
		return banned{e.Expire, fmt.Errorf("402: %s", e)}
	case *events.ClientOutdated:
		return outdated{}
	case *events.ConnectFailure:
		return refusal(int(e.Reason), strings.TrimSpace(e.Reason.String()+" "+e.Message), s.paired)
	case *events.CATRefreshError:
		return lost{codeLoginRefused, errors.New("WhatsApp wants a token that this client does not have (413 or 414)")}
	case *events.StreamError:
		return streamError(e.Code, s.paired)
	}
	return nil
}

// thenRestart is what is left to do once a restriction is over.
const thenRestart = "; once that is over, POST /session/restart pairs it again"

// refusal is what follows from the reason with which WhatsApp refuses a login or, where the device
// is not paired, a registration.
func refusal(reason int, text string, paired bool) any {
	err := fmt.Errorf("WhatsApp refused the login: %s", text)
	switch {
	case reason == 401 && paired:
		return refused{DisconnectedLogout, codeLoggedOut, errors.New(text)}
	case reason == 402:
		return banned{0, err}
	case reason == 403:
		return restricted{Restriction: Restriction{Code: reason, Reason: "403: WhatsApp has locked this account: see what the phone says" + thenRestart}}
	case reason == 406:
		return restricted{Restriction: Restriction{Code: reason, Reason: "406: WhatsApp has banned this account: ask its support" + thenRestart}}
	case reason == 405:
		return outdated{}
	case reason >= 500, reason == 408, reason == 413, reason == 414, reason == 429:
		return lost{codeLoginRefused, err}
	case !paired:
		return refused{AuthFailure, codeLoginRefused, err}
	}
	return broken{codeLoginRefused, err}
}

// streamError is what follows from a stream's end with a code. Only bans are taken at their word:
// of all others the next login tells more.
func streamError(code string, paired bool) any {
	switch code {
	case "402":
		return banned{0, errors.New("402: WhatsApp has banned this account for a while")}
	case "403":
		return refusal(403, "", paired)
	case "406":
		return refusal(406, "", paired)
	}
	return lost{codeStreamError, fmt.Errorf("WhatsApp ended the stream with code %q", code)}
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
