package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"go.mau.fi/whatsmeow/types"
)

// Undecryptable is the event of a message that could not be read. Its sender is asked to send it again.
const Undecryptable = "message.undecryptable"

// Incoming is an event that WhatsApp delivered: a message, or what happened to one.
type Incoming struct {
	MessageID string // its sender has chosen it
	Chat      string // JID
	Sender    string // JID
	SenderAlt string // the sender's other address, where it is known: of phone number and LID
	Timestamp time.Time
	Event     string // message, message.edited, ...
	Kind      string // text, image, ...
	JSON      []byte // the event's payload
	Payload   []byte // the message as protobuf; nil: there is none
}

// The identity of an incoming event is its sender and the ID that the sender has given it; the chat has no part
// in it, since a chat has two addresses. So has a sender: the LID counts where it is known, and an event that
// was stored under the phone number, before it was, is found by that. What could not be read has an
// identity beside that of the message, which takes its place.
const (
	// identified is the CTE of an event's identity. $4 is the sender's LID, $5 the phone number, $6 any other
	// address; NULL where it is none or not known. $7 is the ID.
	identified = `, s AS (SELECT
			COALESCE(CAST($4 AS TEXT), (SELECT lid FROM whatsmeow_lid_map WHERE pn = CAST($5 AS TEXT))) AS lid,
			COALESCE(CAST($5 AS TEXT), (SELECT pn FROM whatsmeow_lid_map WHERE lid = CAST($4 AS TEXT))) AS pn FROM f),
		k AS (SELECT
			CASE WHEN lid IS NOT NULL THEN lid || '@lid/' WHEN pn IS NOT NULL THEN pn || '@pn/' ELSE CAST($6 AS TEXT) || '/' END
				|| CAST($7 AS TEXT) AS identity,
			CASE WHEN lid IS NOT NULL AND pn IS NOT NULL THEN pn || '@pn/' || CAST($7 AS TEXT) END AS former FROM s)`

	// dropUnread deletes what could not be read of a message that now can.
	dropUnread = `DELETE FROM events WHERE cliente = $1 AND identity IN
		(SELECT '?' || identity FROM k UNION ALL SELECT '?' || former FROM k)`

	// insertEvent takes the prefix of the identity, the identities that must not be there, and $13 as bytes.
	insertEvent = `INSERT INTO events (cliente, sequence, id, event, identity, happened_at, payload, message, node, generation, revision, created_at)
		SELECT CAST($1 AS BIGINT), CAST($8 AS BIGINT), CAST($9 AS TEXT), CAST($10 AS TEXT), %s identity,
			CAST($11 AS BIGINT), CAST($12 AS TEXT), %s, CAST($14 AS TEXT), CAST($2 AS BIGINT), CAST($3 AS BIGINT), CAST($15 AS BIGINT) FROM k
		WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.cliente = $1 AND e.identity IN (%s))
		ON CONFLICT (cliente, identity) DO NOTHING`
)

// PutIncoming stores an incoming event, once however often it comes. ErrRefused: the database does not take it.
func (a *Account) PutIncoming(ctx context.Context, in Incoming) error {
	if err := a.take(ctx); err != nil {
		return err
	}
	defer a.give()
	for {
		n, err := a.insertIncoming(ctx, in)
		switch {
		case err == nil && n == 0:
			return a.stands(ctx) // it is there already, or we are fenced
		case err == nil:
			a.events.last++
			return nil
		}
		a.events.known = false
		if !numberTaken(err) {
			return a.fail(ctx, err)
		}
		if err := a.readLog(ctx); err != nil {
			return err
		}
	}
}

// numberTaken says whether an event's number was used by a statement whose outcome was unknown.
func numberTaken(err error) bool {
	return isCode(err, "23505") && strings.Contains(err.Error(), "events_pkey") ||
		err != nil && strings.Contains(err.Error(), "UNIQUE constraint failed: events.cliente, events.sequence")
}

// insertIncoming returns how many rows were inserted. Its error is still as the database gave it.
func (a *Account) insertIncoming(ctx context.Context, in Incoming) (n int64, err error) {
	now := time.Now()
	if in.Event == "" {
		in.Event = "message"
	}
	if in.JSON == nil {
		in.JSON = []byte("{}")
	}
	lid, pn, other := addresses(in.Sender, in.SenderAlt)
	args := []any{lid, pn, other, fit(in.MessageID), a.events.last + 1, newEventID(now), in.Event,
		micros(in.Timestamp), string(in.JSON), in.Payload, a.store.process.Node, micros(now)}
	prefix, others := "", "k.former"
	if in.Event == Undecryptable {
		prefix, others = "'?' ||", "k.identity, k.former"
	}
	insert := fmt.Sprintf(insertEvent, prefix, a.store.dialect.blob(13), others)
	if a.store.dialect.compound() {
		drop := ""
		if in.Event != Undecryptable {
			drop = ", d AS (" + dropUnread + ")"
		}
		return a.run(ctx, identified+drop+" "+insert, args...)
	}
	var rows atomic.Int64 // where ctx ends first, the job may be carried out yet
	err = a.withOthers(ctx, func(ctx context.Context) error {
		if in.Event != Undecryptable {
			if _, err := a.run(ctx, identified+" "+dropUnread, args[:4]...); err != nil {
				return err
			}
		}
		n, err := a.run(ctx, identified+" "+insert, args...)
		rows.Store(n)
		return err
	})
	return rows.Load(), err
}

// addresses takes apart who sent something. Devices of one user are one sender.
func addresses(sender, alt string) (lid, pn, other any) {
	for _, text := range []string{sender, alt} {
		jid, err := types.ParseJID(text)
		switch {
		case err != nil || text == "":
		case jid.Server == types.HiddenUserServer || jid.Server == types.HostedLIDServer:
			lid = fit(jid.User)
		case jid.Server == types.DefaultUserServer || jid.Server == types.HostedServer || jid.Server == types.LegacyUserServer:
			pn = fit(jid.User)
		}
	}
	if lid == nil && pn == nil {
		other = fit(sender)
		if jid, err := types.ParseJID(sender); err == nil {
			other = fit(jid.User + "@" + jid.Server)
		}
	}
	return lid, pn, other
}

// maxFit is the longest text that is part of an identity as it is: Postgres's indexes take 2,704 bytes.
const maxFit = 255

// fit returns a text that stands for text in an identity: itself, or its hash where the database
// would not take it, or not as it is.
func fit(text string) string {
	if len(text) <= maxFit && utf8.ValidString(text) && strings.IndexByte(text, 0) < 0 {
		return text
	}
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}
