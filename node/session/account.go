package session

import (
	"context"
	"time"

	wastore "go.mau.fi/whatsmeow/store"
)

// Account is the stored state of the cliente, under the ownership that the session hangs on.
// Its writes fail, and end the ownership first, when another node has taken over.
type Account interface {
	// Device is the stored device, or a new one to be paired. ErrCorrupt, ErrStoreUnavailable; a *RestError,
	// and a *RestrictedError where none is to be paired.
	Device(ctx context.Context) (*wastore.Device, error)
	// Sending returns a ctx for the one message of whatsmeow's that s stands for, and what must be
	// called when whatsmeow has returned: it tells for which Signal addresses a ratchet was stored;
	// a frame leaves after that. reserve: the send is stored under its key with them. stands: one
	// was there already, and the message has failed.
	Sending(ctx context.Context, s Send, reserve bool) (_ context.Context, ended func() (addresses []string, stands bool))
	// Standing is the send that is stored under a key; false: none.
	Standing(ctx context.Context, key string) (Send, bool, error)
	// Finish books the acknowledgement of a stored send, soon.
	Finish(key string, at time.Time)
	// Told books, soon, that the caller of a send without a key of its own has its answer.
	Told(key string)
	// Open are the sends without a key that nobody was told of yet, as the load of the device has found them.
	Open() []Send
	// PutIncoming stores an incoming event, once however often it comes. ErrRefused, ErrStoreUnavailable.
	PutIncoming(ctx context.Context, in Incoming) error
	// OnFailure returns a ctx under which failed is called for each call, of the device's stores
	// too, that the store did not carry out, before that call returns.
	OnFailure(ctx context.Context, failed func(error)) context.Context
	// Answers returns nil when the store does, and has room for more than it holds. ErrStoreUnavailable.
	Answers(ctx context.Context) error
	// EndRest ends the cliente's rest after a crash before its time.
	EndRest(ctx context.Context) error
	// Forget deletes the stored device with its keys and, in the same transaction, stores the
	// restriction that is the reason; the zero Restriction: there is none.
	Forget(ctx context.Context, why Restriction) error
	// Lift deletes a stored restriction, so that the cliente can be paired again.
	Lift(ctx context.Context) error
	// Quiesce returns when no write is under way. The ownership has ended before.
	Quiesce()
}

// Restriction is what WhatsApp has put on an account for good, as far as we know: nothing is paired
// until somebody orders it. The zero value is none. Its fields are those of the store's.
type Restriction struct {
	Code   int // of WhatsApp's refusal: 403, 406
	Reason string
	Since  time.Time
}

// RestrictedError is what Device returns for a cliente under a restriction.
type RestrictedError struct {
	Restriction
	Phone string // "+549..." of the account, "" where there was none
}

func (e *RestrictedError) Error() string { return e.Reason }

// Send is a message as it is stored before it leaves. Its fields are those of the store's.
type Send struct {
	Key       string
	MessageID string
	BodyHash  [32]byte
	Done      bool
	Timestamp time.Time
	Begun     time.Time
}

// Incoming is an event that WhatsApp delivered. Its fields are those of the store's.
type Incoming struct {
	MessageID string
	Chat      string
	Sender    string
	SenderAlt string
	Timestamp time.Time
	Event     string
	Kind      string
	JSON      []byte
	Payload   []byte
}
