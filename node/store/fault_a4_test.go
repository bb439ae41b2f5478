package store

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/types"
)

const (
	ana    = "5491100000002@s.whatsapp.net"
	anaLID = "900000000002@lid"
	bea    = "5491100000003:7@s.whatsapp.net"
)

// stored are the events of cliente 5, in order, each as its event and the sender that it came from.
func stored(t *testing.T, s *Store) []string {
	t.Helper()
	return column(t, s, "SELECT event || ' ' || payload FROM events WHERE cliente = 5 ORDER BY sequence")
}

func incoming(id, sender, alt, event string) Incoming {
	return Incoming{MessageID: id, Chat: sender, Sender: sender, SenderAlt: alt, Timestamp: time.Now(), Event: event, Kind: "text",
		JSON: []byte(fmt.Sprintf("%q", sender+" "+id)), Payload: []byte(id)}
}

// Senders choose IDs: what counts is who sent it, whichever address and device, and never the chat.
func TestFaultA4TheSendersID(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, "n1"), deadline(t)
		a, device, _ := paired(t, s, 5, 10, "5491100000001")
		group := incoming("X", ana, "", "message")
		group.Chat = "120363000000000000@g.us"
		lid, _ := types.ParseJID(anaLID)
		pn, _ := types.ParseJID(ana)
		for i, step := range []struct {
			in   Incoming
			rows int
		}{
			{incoming("X", ana, "", "message"), 1},
			{incoming("X", ana, "", "message"), 1},                              // again
			{incoming("X", "5491100000002:9@s.whatsapp.net", "", "message"), 1}, // from another device
			{incoming("X", bea, "", "message"), 2},                              // somebody else's, under the same ID
			{group, 2},                                                          // in another chat
			{incoming("X", anaLID, ana, "message"), 2},                          // under the other address
			{incoming("Y", anaLID, ana, "message"), 3},                          // stored under both
			{incoming("Y", ana, anaLID, "message"), 3},                          // again, the other way round
			{incoming("Z", ana, "", "message"), 4},                              // before it is known who that is
			{incoming(strings.Repeat("long", 2000), ana, "", "message"), 5},     // no index takes that
			{incoming(strings.Repeat("long", 2000), ana, "", "message"), 5},     //
			{incoming("nul\x00\xff", ana, "", "message"), 6},                    //
			{incoming("nul\x00\xfe", ana, "", "message"), 7},                    // not the same
			{incoming("X", "status@broadcast", "", "message"), 8},               //
		} {
			if err := a.PutIncoming(ctx, step.in); err != nil {
				t.Fatalf("step %d: %v", i, err)
			}
			if got := stored(t, s); len(got) != step.rows {
				t.Errorf("step %d: %d rows, want %d", i, len(got), step.rows)
			}
		}
		if err := device.LIDs.PutLIDMapping(ctx, lid, pn); err != nil {
			t.Fatal(err)
		}
		for _, again := range []Incoming{incoming("Z", anaLID, "", "message"), incoming("Z", ana, "", "message"), incoming("Y", ana, "", "message")} {
			if err := a.PutIncoming(ctx, again); err != nil {
				t.Fatal(err)
			}
		}
		if got := stored(t, s); len(got) != 8 {
			t.Errorf("once it is known who is who: %d rows", len(got))
		}
		if got := column(t, s, "SELECT sequence FROM events ORDER BY sequence"); !slices.Equal(got, []string{"1", "2", "3", "4", "5", "6", "7", "8"}) {
			t.Errorf("numbered %s", got)
		}
	})
}

// What could not be read gives way to its own retry, and does not come back.
func TestFaultA4UndecryptableGivesWay(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, "n1"), deadline(t)
		a, _, _ := paired(t, s, 5, 10, "5491100000001")
		for i, step := range []struct {
			in   Incoming
			want string
		}{
			{incoming("X", ana, "", Undecryptable), Undecryptable},
			{incoming("X", ana, "", Undecryptable), Undecryptable},
			{incoming("X", anaLID, ana, "message"), "message"},
			{incoming("X", ana, "", Undecryptable), "message+" + Undecryptable}, // nobody knows yet whose number that is
			{incoming("X", ana, anaLID, "message"), "message"},
			{incoming("X", anaLID, ana, Undecryptable), "message"},
		} {
			if err := a.PutIncoming(ctx, step.in); err != nil {
				t.Fatalf("step %d: %v", i, err)
			}
			events := column(t, s, "SELECT event FROM events ORDER BY sequence")
			if got := strings.Join(events, "+"); got != step.want {
				t.Errorf("step %d: %s, want %s", i, got, step.want)
			}
		}
	})
}

// The next owner counts on from what is stored, and so does the same one after an error.
func TestEventsAreNumberedOn(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, "n1"), deadline(t)
		a, _, _ := paired(t, s, 5, 10, "5491100000001")
		put := func(a *Account, id string) {
			t.Helper()
			if err := a.PutIncoming(ctx, incoming(id, ana, "", "message")); err != nil {
				t.Fatal(err)
			}
		}
		put(a, "1")
		a.events.known = false
		put(a, "2")
		// A statement whose outcome was unknown has been carried out after all.
		if _, err := s.db.Exec(ctx, "INSERT INTO events SELECT cliente, 3, 'late', event, 'late', happened_at, payload, message, node, generation, revision, created_at FROM events WHERE sequence = 1"); err != nil {
			t.Fatal(err)
		}
		put(a, "4")
		b, _ := own(t, open(t, url, "n2"), 5, 11)
		if _, err := b.Device(ctx); err != nil {
			t.Fatal(err)
		}
		put(b, "5")
		if got := column(t, s, "SELECT sequence || ' ' || identity FROM events ORDER BY sequence"); !slices.Equal(got, []string{
			"1 5491100000002@pn/1", "2 5491100000002@pn/2", "3 late", "4 5491100000002@pn/4", "5 5491100000002@pn/5"}) {
			t.Errorf("%q", got)
		}
	})
}

// What the release before has stored is found among the events, once, whatever comes again, and by whomever.
func TestFaultA4TheOutboxMoves(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, "n1"), deadline(t)
		_, device, _ := paired(t, s, 5, 10, "5491100000001")
		lid, _ := types.ParseJID(anaLID)
		pn, _ := types.ParseJID(ana)
		if err := device.LIDs.PutLIDMapping(ctx, lid, pn); err != nil {
			t.Fatal(err)
		}
		old := func(id, sender string) { // as commit 5496dd9 does
			t.Helper()
			if _, err := s.db.Exec(ctx, `INSERT INTO outbox (cliente, message_id, chat, sender, sent_at, kind, payload, created_at)
				VALUES (5, $1, 'c@g.us', $2, 1764000000123456, 'text', $3, $4) ON CONFLICT (cliente, message_id) DO NOTHING`, id, sender, []byte(id), time.Now().UnixMicro()); err != nil {
				t.Fatal(err)
			}
		}
		for i, sender := range []string{ana, bea, "5491100000002.0:3@s.whatsapp.net", anaLID, "status@broadcast", "900000000002:4@lid", "strange"} {
			old(fmt.Sprintf("M%d", i), sender)
		}
		a, _ := own(t, s, 5, 11)
		if _, err := a.Device(ctx); err != nil {
			t.Fatal(err)
		}
		for _, again := range []Incoming{incoming("M0", anaLID, "", "message"), incoming("M1", bea, "", "message"), incoming("M2", ana, "", "message"),
			incoming("M3", ana, anaLID, "message"), incoming("M4", "status@broadcast", "", "message"), incoming("M5", ana, "", "message"), incoming("new", ana, "", "message")} {
			if err := a.PutIncoming(ctx, again); err != nil {
				t.Fatal(err)
			}
		}
		// Back to the release before, which stores one again that was not acknowledged, and forth.
		old("M0", ana)
		old("only old", ana)
		b, _ := own(t, s, 5, 12)
		if err := b.PutIncoming(ctx, incoming("last", ana, "", "message")); err != nil {
			t.Fatal(err)
		}
		got := column(t, s, "SELECT identity FROM events ORDER BY sequence")
		want := []string{"900000000002@lid/M0", "5491100000003@pn/M1", "900000000002@lid/M2", "900000000002@lid/M3", "status@broadcast/M4",
			"900000000002@lid/M5", "strange@/M6", "900000000002@lid/new", "900000000002@lid/only old", "900000000002@lid/last"}
		if !slices.Equal(got, want) {
			t.Errorf("events %q,\nwant %q", got, want)
		}
		if left := column(t, s, "SELECT message_id FROM outbox"); len(left) != 0 {
			t.Errorf("left in the outbox: %q", left)
		}
		if got := column(t, s, "SELECT payload FROM events WHERE identity LIKE '%/M0'"); !strings.Contains(strings.ReplaceAll(got[0], " ", ""), `"timestamp":"2025-11-24T16:00:00.123Z"`) ||
			!strings.Contains(strings.ReplaceAll(got[0], " ", ""), `"is_group":true`) {
			t.Errorf("payload %s", got)
		}
	})
}

// Senders choose how long an ID is, too: one that the outbox could just index is moved like any other, and comes once.
func TestFaultA4TheOutboxMovesLongIDs(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, "n1"), deadline(t)
		paired(t, s, 5, 10, "5491100000001")
		random := make([]byte, 2008) // no database can make it smaller
		_, _ = rand.Read(random)
		id := base64.StdEncoding.EncodeToString(random)[:2670]
		if _, err := s.db.Exec(ctx, `INSERT INTO outbox (cliente, message_id, chat, sender, sent_at, kind, payload, created_at)
			VALUES (5, $1, $2, $2, 1764000000123456, 'text', $3, 1764000000123456)`, id, ana, []byte("x")); err != nil {
			t.Fatal(err)
		}
		a, _ := own(t, s, 5, 11)
		if err := a.PutIncoming(ctx, incoming("next", ana, "", "message")); err != nil {
			t.Fatal(err)
		}
		if s.dialect.compound() { // SQLite indexes texts of any length
			if err := a.PutIncoming(ctx, incoming(id, ana, "", "message")); err != nil {
				t.Fatal(err)
			}
		}
		if got := stored(t, s); len(got) != 2 {
			t.Errorf("%d events", len(got))
		}
	})
}
