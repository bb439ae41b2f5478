// Package api is the HTTP contract that callers rely on, to the byte: which answer a session in
// which state gives to which request. It knows nothing of other nodes; package router does.
package api

import (
	"context"
	"errors"
	"time"
)

// State is one of the nine states, or NotInitialized.
type State string

// The states.
const (
	NotInitialized          State = "NOT_INITIALIZED"
	Initializing            State = "INITIALIZING"
	Reconnecting            State = "RECONNECTING"
	Ready                   State = "READY"
	QRRequired              State = "QR_REQUIRED"
	AuthFailure             State = "AUTH_FAILURE"
	DisconnectedRecoverable State = "DISCONNECTED_RECOVERABLE"
	DisconnectedLogout      State = "DISCONNECTED_LOGOUT"
	DisconnectedBanned      State = "DISCONNECTED_BANNED"
	Error                   State = "ERROR"
)

// Snapshot is a session at one moment. Zero times: never.
type Snapshot struct {
	State          State
	Pending        bool      // the state is about to be known
	Ending         bool      // the session is over, or about to be
	Since          time.Time // since when it is on its way, where it is
	Attempts       int
	QR             string // the raw code, in QRRequired
	QRExpires      time.Time
	QRGenerated    time.Time
	ConnectedAt    time.Time
	DisconnectedAt time.Time
	Phone          string // "+549..." or ""
	LID            string // digits or ""
	Name           string
	Restriction    Restriction
	LastError      ErrorInfo
}

// ErrorInfo is the last thing that went wrong.
type ErrorInfo struct{ Code, Message string }

// Restriction is what WhatsApp has put on an account for good; the zero value is none.
type Restriction struct {
	Code   int
	Reason string
	Since  time.Time
}

// Message is what a caller asks to be sent.
type Message struct {
	To, Text, Key string
	BodyHash      [32]byte
}

// Sent is a message that WhatsApp has acknowledged.
type Sent struct {
	MessageID string
	Timestamp time.Time
}

// Session is a running session.
type Session interface {
	Snapshot() Snapshot
	Changed() <-chan struct{} // closed at the next change; to be taken before Snapshot
	Send(ctx context.Context, m Message) (Sent, error)
	// RenewQR sees to it that a QR is on its way where the cliente needs one.
	RenewQR(ctx context.Context) error
	// Restart makes the session begin anew, at once.
	Restart(ctx context.Context) error
	// Told says that the caller of a send has its answer; key was minted, the caller sent none.
	Told(key string)
}

// Refusal is an error code of WhatsApp's in answer to a send. Nothing was delivered.
type Refusal struct {
	Code    int
	Until   time.Time // the end of a lock of the account that explains the code; zero: none is known
	Message string
}

func (r *Refusal) Error() string { return r.Message }

// What a Session's methods return; errorTable maps them to HTTP.
var (
	ErrNotReady         = errors.New("session is not ready")
	ErrInvalidRecipient = errors.New("invalid recipient")
	ErrReachedNobody    = errors.New("message reached nobody")
	ErrNotOnWhatsApp    = errors.New("number is not on WhatsApp")
	ErrGroupUnknown     = errors.New("group is unknown")
	ErrNotInGroup       = errors.New("account is not in the group")
	ErrNoAnswer         = errors.New("WhatsApp did not answer")
	ErrKeyReused        = errors.New("idempotency key was used for another message")
	ErrStoreUnavailable = errors.New("credential store unavailable")
	ErrStoreFailed      = errors.New("credential store failed a statement")
	ErrPairingExpired   = errors.New("pairing expired")
	ErrAlreadyPaired    = errors.New("session is already paired")
	ErrUnknownOutcome   = errors.New("outcome unknown")
	ErrBusy             = errors.New("too many messages wait")
	// ErrMoved: the session is not here any more. Asking its next owner is safe.
	ErrMoved = errors.New("session has moved")
)
