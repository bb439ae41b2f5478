package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"go.mau.fi/whatsmeow/types"
)

// errKeyStands: a send is stored under the key already. The ratchets were not stored, so that no
// frame leaves; Standing tells what stands.
var errKeyStands = errors.New("a send stands under this key")

// sending is one message that whatsmeow sends, as the account's stores see it through its ctx: from
// the load of the ratchets to their storing they are its own, and with them the send is reserved and
// kept for retry receipts, in one statement and before the frame leaves.
type sending struct {
	send    Send
	reserve bool // under its key nothing stands yet, as far as is known
	cancel  context.CancelCauseFunc

	mu        sync.Mutex // guards what follows; held over no statement
	turn      *ratchets  // whose turn it has; nil: none
	event     *outgoing
	addresses []string
	stands    bool
}

// outgoing is a message as it is kept for retry receipts.
type outgoing struct {
	chat, id, format string
	plaintext        []byte
}

type sendingKey struct{}

func sendingOf(ctx context.Context) *sending {
	s, _ := ctx.Value(sendingKey{}).(*sending)
	return s
}

// Sending returns a ctx for the one message of whatsmeow's that send stands for, and what must be
// called when whatsmeow has returned: it tells for which Signal addresses ("user:device") a ratchet
// was stored; for none no frame left, or one that is for nobody. reserve: the send is stored under
// its key with them. stands: one was there already, and the message has failed. A message to a
// person that could be encrypted for nobody fails too.
func (*Account) Sending(ctx context.Context, send Send, reserve bool) (_ context.Context, ended func() (addresses []string, stands bool)) {
	s := &sending{send: send, reserve: reserve}
	ctx, s.cancel = context.WithCancelCause(ctx)
	return context.WithValue(ctx, sendingKey{}, s), func() ([]string, bool) {
		s.cancel(nil)
		s.give()
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.addresses, s.stands
	}
}

// errNobody: no device could be encrypted for.
var errNobody = errors.New("the message could be encrypted for no device")

// check ends the ctx of a message whose ratchets were loaded, and none stored: whatsmeow goes on
// where it could encrypt for nobody, and sends a frame that is for nobody.
func (s *sending) check() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.turn != nil {
		s.cancel(errNobody)
	}
}

// take waits for the turn, unless it has it.
func (s *sending) take(ctx context.Context, r *ratchets) error {
	s.mu.Lock()
	has := s.turn != nil
	s.mu.Unlock()
	if has {
		return nil
	}
	if err := r.take(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn = r
	return nil
}

func (s *sending) give() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.turn != nil {
		s.turn.give()
		s.turn = nil
	}
}

func (s *sending) hasTurn() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.turn != nil
}

// stepping marks a ctx whose caller has the turn.
type stepping struct{ ratchets *ratchets }

// hasTurn says whether the caller has the ratchets to itself.
func (s *fencedStore) hasTurn(ctx context.Context) bool {
	if sending := sendingOf(ctx); sending != nil && sending.hasTurn() {
		return true
	}
	return ctx.Value(stepping{s.ratchets}) != nil
}

// step runs fn with the ratchets to itself.
func (s *fencedStore) step(ctx context.Context, fn func(ctx context.Context) error) error {
	if s.hasTurn(ctx) {
		return fn(ctx)
	}
	if err := s.ratchets.take(ctx); err != nil {
		return err
	}
	defer s.ratchets.give()
	return fn(context.WithValue(ctx, stepping{s.ratchets}, true))
}

// PutManySessions stores the ratchets of a message, and the send with them.
func (s *fencedStore) PutManySessions(ctx context.Context, sessions map[string][]byte) error {
	if len(sessions) == 0 {
		return nil
	}
	sending := sendingOf(ctx)
	if sending == nil {
		return s.step(ctx, func(ctx context.Context) error { return s.putSessions(ctx, sessions) })
	}
	defer sending.give()
	return s.step(ctx, func(ctx context.Context) error {
		err := s.putSending(ctx, sending, sessions)
		sending.mu.Lock()
		defer sending.mu.Unlock()
		if err != nil {
			s.ratchets.forget() // they may be stored or not
			sending.stands = errors.Is(err, errKeyStands)
			return err
		}
		sending.reserve = false
		if sending.event != nil {
			s.kept(sending.event.plaintext)
		}
		sending.addresses = append(sending.addresses, slices.Sorted(maps.Keys(sessions))...)
		return nil
	})
}

// putSessions stores ratchets in one statement. The caller has the turn.
func (s *fencedStore) putSessions(ctx context.Context, sessions map[string][]byte) error {
	statement, args := s.upsertSessions("f", []any{s.JID}, sessions)
	n, err := s.exec(ctx, statement, args...)
	if err == nil && n != int64(len(sessions)) {
		err = s.fenced()
	}
	if err != nil {
		s.ratchets.forget()
		return err
	}
	s.keep(sessions)
	return nil
}

func (s *fencedStore) keep(sessions map[string][]byte) {
	for address, ratchet := range sessions {
		s.ratchets.latest.Add(address, ratchet)
	}
}

// putSending stores ratchets with the send that they were stepped for.
func (s *fencedStore) putSending(ctx context.Context, sending *sending, sessions map[string][]byte) error {
	put := s.putApart
	if s.store.dialect.compound() {
		put = s.putTogether
	}
	if err := put(ctx, sending, sessions); err != nil {
		return err
	}
	s.keep(sessions)
	return nil
}

// putTogether is one statement, for databases that can write to several tables in one.
func (s *fencedStore) putTogether(ctx context.Context, sending *sending, sessions map[string][]byte) error {
	d := s.store.dialect
	args := []any{s.JID}
	place := func(v any) int { args = append(args, v); return len(args) + 3 }
	statement, from := "", "f"
	if sending.reserve {
		statement = ", r AS (" + insertSend(d, "f", place(sending.send.Key), place(sending.send.MessageID), place(sending.send.BodyHash[:]), place(micros(time.Now()))) +
			" RETURNING 1 AS one)"
		from = "r"
	}
	if e := sending.event; e != nil {
		statement += ", e AS (" + insertOutgoing(d, from, place(e.chat), place(e.id), place(e.format), place(e.plaintext), place(time.Now().UnixMilli())) + ")"
	}
	ratchets, args := s.upsertSessions(from, args, sessions)
	n, err := s.exec(ctx, statement+" "+ratchets, args...)
	switch {
	case err != nil:
		return err
	case n == int64(len(sessions)):
		return nil
	case !sending.reserve:
		return s.fenced()
	}
	return cmp.Or(s.stands(ctx), errKeyStands)
}

// putApart is a transaction, for databases that cannot.
func (s *fencedStore) putApart(ctx context.Context, sending *sending, sessions map[string][]byte) error {
	d := s.store.dialect
	err := s.withOthers(ctx, func(ctx context.Context) error {
		if sending.reserve {
			n, err := s.exec(ctx, insertSend(d, "f", 4, 5, 6, 7), sending.send.Key, sending.send.MessageID, sending.send.BodyHash[:], micros(time.Now()))
			if err != nil {
				return err
			}
			if n == 0 {
				return cmp.Or(s.stands(ctx), errKeyStands)
			}
		}
		if e := sending.event; e != nil {
			if _, err := s.exec(ctx, insertOutgoing(d, "f", 5, 6, 7, 8, 9), s.JID, e.chat, e.id, e.format, e.plaintext, time.Now().UnixMilli()); err != nil {
				return err
			}
		}
		statement, args := s.upsertSessions("f", []any{s.JID}, sessions)
		n, err := s.exec(ctx, statement, args...)
		if err == nil && n != int64(len(sessions)) {
			err = s.fenced()
		}
		return err
	})
	if errors.Is(err, errKeyStands) {
		return err
	}
	return s.fail(ctx, err)
}

// upsertSessions is the statement that stores ratchets where from has a row. The JID is $4, and
// args are what stands before the ratchets.
func (s *fencedStore) upsertSessions(from string, args []any, sessions map[string][]byte) (string, []any) {
	d := s.store.dialect
	var values strings.Builder
	for i, address := range slices.Sorted(maps.Keys(sessions)) { // sorted: no two statements lock in opposite orders
		if i > 0 {
			values.WriteString(", ")
		}
		n := len(args) + 4
		fmt.Fprintf(&values, "(%s, %s)", d.text(n), d.blob(n+1))
		args = append(args, address, sessions[address])
	}
	return "INSERT INTO whatsmeow_sessions (our_jid, their_id, session) SELECT " + d.text(4) +
		", column1, column2 FROM " + from + ", (VALUES " + values.String() + ") AS v WHERE true" +
		" ON CONFLICT (our_jid, their_id) DO UPDATE SET session = excluded.session", args
}

// insertSend is the statement that reserves a send where from has a row and nothing stands under the key.
func insertSend(d dialect, from string, key, id, hash, now int) string {
	return "INSERT INTO sends (cliente, key, message_id, body_hash, done, sent_at, created_at, told) SELECT " + d.bigint(1) + ", " + d.text(key) + ", " +
		d.text(id) + ", " + d.blob(hash) + ", false, 0, " + d.bigint(now) + ", false FROM " + from + " WHERE true ON CONFLICT (cliente, key) DO NOTHING"
}

// insertOutgoing is the statement that keeps a message for retry receipts where from has a row. The
// JID is $4.
func insertOutgoing(d dialect, from string, chat, id, format, plaintext, now int) string {
	return "INSERT INTO whatsmeow_retry_buffer (our_jid, chat_jid, message_id, format, plaintext, timestamp) SELECT " +
		d.text(4) + ", " + d.text(chat) + ", " + d.text(id) + ", " + d.text(format) + ", " + d.blob(plaintext) + ", " + d.bigint(now) +
		" FROM " + from + " WHERE true ON CONFLICT (our_jid, chat_jid, message_id) DO UPDATE SET format = excluded.format," +
		" plaintext = excluded.plaintext, timestamp = excluded.timestamp"
}

// AddOutgoingEvent keeps a message for retry receipts: that of a send with its ratchets.
func (s *fencedStore) AddOutgoingEvent(ctx context.Context, chat types.JID, id types.MessageID, format string, plaintext []byte) error {
	e := outgoing{chat: chat.String(), id: id, format: format, plaintext: plaintext}
	if sending := sendingOf(ctx); sending != nil {
		sending.mu.Lock()
		defer sending.mu.Unlock()
		sending.event = &e
		return s.check()
	}
	_, err := s.put(ctx, insertOutgoing(s.store.dialect, "f", 5, 6, 7, 8, 9), s.JID, e.chat, e.id, e.format, e.plaintext, time.Now().UnixMilli())
	if err == nil {
		s.kept(plaintext)
	}
	return err
}
