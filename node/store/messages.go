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
	Begun     time.Time // when it was stored; set by Open alone
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
func (a *Account) Finish(key string, at time.Time) { a.store.books.enter(a, key, at, false) }

// Told books that the caller of a send without a key of its own has its answer, soon.
func (a *Account) Told(key string) { a.store.books.enter(a, key, time.Time{}, true) }
