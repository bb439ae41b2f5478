package store

import (
	"context"
	"fmt"
	"sync"
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

// Reserve stores the send unless there is one under its key, and returns what then stands
// there. The caller compares BodyHash: a key never stands for two bodies.
func (a *Account) Reserve(ctx context.Context, s Send) (stored Send, err error) {
	d := a.store.dialect
	n, err := a.exec(ctx, `INSERT INTO sends (cliente, key, message_id, body_hash, done, sent_at, created_at)
		SELECT `+d.bigint(1)+`, `+d.text(4)+`, `+d.text(5)+`, `+d.blob(6)+`, false, 0, `+d.bigint(7)+` FROM f WHERE true
		ON CONFLICT (cliente, key) DO NOTHING`,
		s.Key, s.MessageID, s.BodyHash[:], micros(time.Now()))
	if err != nil {
		return Send{}, err
	}
	if n == 1 {
		s.Done, s.Timestamp = false, time.Time{}
		return s, nil
	}
	if err := a.stands(ctx); err != nil {
		return Send{}, err
	}
	stored = Send{Key: s.Key}
	var hash []byte
	var at int64
	err = a.store.db.QueryRow(ctx, "SELECT message_id, body_hash, done, sent_at FROM sends WHERE cliente = $1 AND key = $2",
		int64(a.hold.Cliente()), s.Key).Scan(&stored.MessageID, &hash, &stored.Done, &at)
	copy(stored.BodyHash[:], hash)
	stored.Timestamp = fromMicros(at)
	return stored, a.fail(ctx, err)
}

// Finish books WhatsApp's acknowledgement of a reserved send.
func (a *Account) Finish(ctx context.Context, key string, at time.Time) error {
	n, err := a.put(ctx, `UPDATE sends SET done = true, sent_at = $5 FROM f WHERE cliente = $1 AND key = $4`, key, micros(at))
	if err == nil && n == 0 {
		err = fmt.Errorf("cliente %s: finish send %q: it was not reserved", a.hold.Cliente(), key)
	}
	return err
}

// PutIncoming stores an incoming message, once however often it comes.
func (a *Account) PutIncoming(ctx context.Context, in Incoming) error {
	d := a.store.dialect
	_, err := a.put(ctx, `INSERT INTO outbox (cliente, message_id, chat, sender, sent_at, kind, payload, created_at)
		SELECT `+d.bigint(1)+`, `+d.text(4)+`, `+d.text(5)+`, `+d.text(6)+`, `+d.bigint(7)+`, `+d.text(8)+`, `+d.blob(9)+`, `+d.bigint(10)+` FROM f WHERE true
		ON CONFLICT (cliente, message_id) DO NOTHING`,
		in.MessageID, in.Chat, in.Sender, micros(in.Timestamp), in.Kind, append([]byte{}, in.Payload...), micros(time.Now())) // nil would be NULL
	return err
}

// ratchets collects the addresses whose sessions were stored under a ctx.
type ratchets struct {
	mu        sync.Mutex // guards addresses
	addresses []string
}

type ratchetsKey struct{}

// CountRatchets returns a ctx under which the account remembers for whom sessions are stored,
// and a function that tells: Signal addresses, as "user:device". A message for whose recipients
// none was stored has reached nobody, whatever whatsmeow says.
func (a *Account) CountRatchets(ctx context.Context) (context.Context, func() []string) {
	r := &ratchets{}
	return context.WithValue(ctx, ratchetsKey{}, r), func() []string {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.addresses
	}
}

func countRatchet(ctx context.Context, address string) {
	if r, ok := ctx.Value(ratchetsKey{}).(*ratchets); ok {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.addresses = append(r.addresses, address)
	}
}
