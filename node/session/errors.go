package session

import (
	"errors"
	"fmt"
	"time"
)

var (
	// ErrNotReady: the session cannot send in its present state. Nothing was sent.
	ErrNotReady = errors.New("session is not ready")
	// ErrInvalidRecipient: the recipient is neither a phone number nor a JID.
	ErrInvalidRecipient = errors.New("recipient is neither a phone number with country code nor a JID")
	// ErrReachedNobody: no device of the recipient could be encrypted for.
	ErrReachedNobody = errors.New("message reached no device of the recipient")
	// ErrNotOnWhatsApp: WhatsApp knows no account of this number. Nothing was sent.
	ErrNotOnWhatsApp = errors.New("number is not on WhatsApp")
	// ErrGroupUnknown: WhatsApp knows no such group. Nothing was sent.
	ErrGroupUnknown = errors.New("WhatsApp knows no such group")
	// ErrNotInGroup: the account is not in the group. Nothing was sent.
	ErrNotInGroup = errors.New("this account is not in the group")
	// ErrNoAnswer: WhatsApp did not answer what had to be asked before the message. Nothing was sent.
	ErrNoAnswer = errors.New("WhatsApp did not answer a question that the message depends on")
	// ErrKeyReused: the idempotency key stands for another body.
	ErrKeyReused = errors.New("idempotency key was used for another message")
	// ErrStoreUnavailable: the credential store did not answer. Nothing was sent.
	ErrStoreUnavailable = errors.New("credential store unavailable")
	// ErrStoreFailed: the credential store answered something unforeseen. Nothing was sent. errors.Is takes
	// it for ErrStoreUnavailable too: whatever follows is the same, and only people are told another cause.
	ErrStoreFailed error = storeFailed{}
	// ErrRefused: the credential store does not take a value that came from WhatsApp.
	ErrRefused = errors.New("credential store refuses a value")
	// ErrCorrupt: the stored credentials cannot be read.
	ErrCorrupt = errors.New("stored credentials are corrupt")
	// ErrPairingExpired: nobody scanned any of the QR codes.
	ErrPairingExpired = errors.New("no QR code was scanned in time")
	// ErrAlreadyPaired: there is nothing to pair.
	ErrAlreadyPaired = errors.New("session is already paired")
	// ErrBusy: too many messages of this cliente wait already. Nothing was sent.
	ErrBusy = errors.New("too many messages of this cliente wait to be sent")
)

type storeFailed struct{}

func (storeFailed) Error() string        { return "credential store failed a statement" }
func (storeFailed) Is(target error) bool { return target == ErrStoreUnavailable }

// RestError says that the cliente must be left alone for a while: a node's process has died of what
// WhatsApp sent to it, and would again.
type RestError struct {
	Left  time.Duration // of the rest
	Cause string        // of the crash, in words
}

func (e *RestError) Error() string {
	return fmt.Sprintf("what WhatsApp sent to this account crashed a node (%s): it is left alone for %v, POST /session/restart tries at once",
		e.Cause, e.Left.Round(time.Second))
}
