package session

import (
	"context"
	"time"

	wastore "go.mau.fi/whatsmeow/store"
)

// Account is the stored state of the cliente, under the ownership that the session hangs on.
// Its writes fail, and end the ownership first, when another node has taken over.
type Account interface {
	// Device is the stored device, or a new one to be paired. ErrCorrupt, ErrStoreUnavailable.
	Device(ctx context.Context) (*wastore.Device, error)
	// CountRatchets returns a ctx under which the device's stores remember for which Signal
	// addresses they stored a ratchet, and a function that tells.
	CountRatchets(ctx context.Context) (context.Context, func() []string)
	// Reserve stores a send unless one stands under its key, and returns what stands.
	Reserve(ctx context.Context, s Send) (Send, error)
	// Finish books the acknowledgement of a reserved send.
	Finish(ctx context.Context, key string, at time.Time) error
	// PutIncoming stores an incoming message, once however often it comes.
	PutIncoming(ctx context.Context, in Incoming) error
	// OnFailure returns a ctx under which failed is called for each call, of the device's stores
	// too, that the store did not carry out, before that call returns.
	OnFailure(ctx context.Context, failed func(error)) context.Context
	// Answers returns nil when the store does. ErrStoreUnavailable.
	Answers(ctx context.Context) error
	// Quiesce returns when no write is under way. The ownership has ended before.
	Quiesce()
}

// Send is a message as it is stored before it leaves. Its fields are those of the store's.
type Send struct {
	Key       string
	MessageID string
	BodyHash  [32]byte
	Done      bool
	Timestamp time.Time
}

// Incoming is a message that WhatsApp delivered. Its fields are those of the store's.
type Incoming struct {
	MessageID string
	Chat      string
	Sender    string
	Timestamp time.Time
	Kind      string
	Payload   []byte
}
