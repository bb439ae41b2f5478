package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// Send is one message that a caller asked for under a key. It is stored before it leaves.
type Send struct {
	Key       string
	MessageID string // WhatsApp's
	BodyHash  [32]byte
	Done      bool      // WhatsApp has acknowledged it
	Timestamp time.Time // of the acknowledgement; zero until Done
}

// Incoming is one message that WhatsApp delivered.
type Incoming struct {
	MessageID string
	Chat      string // JID
	Sender    string // JID
	Timestamp time.Time
	Kind      string // text, image, ...
	Payload   []byte // the message as protobuf
}

// Standing is the send that stands under a key; false: none.
func (a *Account) Standing(ctx context.Context, key string) (Send, bool, error) {
	if err := a.stands(ctx); err != nil {
		return Send{}, false, err
	}
	send := Send{Key: key}
	var hash []byte
	var at int64
	found, err := get(ctx, &a.guard, func(ctx context.Context) (bool, error) {
		err := a.store.db.QueryRow(ctx, "SELECT message_id, body_hash, done, sent_at FROM sends WHERE cliente = $1 AND key = $2",
			int64(a.hold.Cliente()), key).Scan(&send.MessageID, &hash, &send.Done, &at)
		if errors.Is(err, sql.ErrNoRows) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil || !found {
		return Send{}, false, err
	}
	copy(send.BodyHash[:], hash)
	send.Timestamp = fromMicros(at)
	if at, ok := a.store.books.pending(a, key); ok {
		send.Done, send.Timestamp = true, at
	}
	return send, true, nil
}

// Finish books WhatsApp's acknowledgement of a send that stands under key, soon (books.go).
func (a *Account) Finish(key string, at time.Time) { a.store.books.enter(a, key, at) }

// PutIncoming stores an incoming message, once however often it comes.
func (a *Account) PutIncoming(ctx context.Context, in Incoming) error {
	d := a.store.dialect
	_, err := a.put(ctx, `INSERT INTO outbox (cliente, message_id, chat, sender, sent_at, kind, payload, created_at)
		SELECT `+d.bigint(1)+`, `+d.text(4)+`, `+d.text(5)+`, `+d.text(6)+`, `+d.bigint(7)+`, `+d.text(8)+`, `+d.blob(9)+`, `+d.bigint(10)+` FROM f WHERE true
		ON CONFLICT (cliente, message_id) DO NOTHING`,
		in.MessageID, in.Chat, in.Sender, micros(in.Timestamp), in.Kind, append([]byte{}, in.Payload...), micros(time.Now())) // nil would be NULL
	return err
}
