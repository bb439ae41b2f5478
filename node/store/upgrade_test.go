package store

import (
	"bytes"
	"context"
	"database/sql"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/types"

	"session-manager/node/ownership"
)

// load puts what the release of commit 5496dd9 has written, one of each kind, into an empty database.
func load(t *testing.T, url string) {
	t.Helper()
	driver, name, address := "pgx", "postgres", url
	if file, ok := strings.CutPrefix(url, "sqlite:"); ok {
		driver, name, address = "sqlite", "sqlite", file
	}
	text, err := os.ReadFile("testdata/5496dd9/" + name + ".sql")
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open(driver, address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(string(text)); err != nil {
		t.Fatal(err)
	}
}

// A store of the release before is brought up to date as it is opened, and everything is found again.
func TestUpgradeFromTheReleaseBefore(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		load(t, url)
		s, ctx := open(t, url, "n2"), deadline(t)
		if b, err := s.Birth(ctx); err != nil || !b.Born || b.Identity.Generation != 1 || b.Revision != 9 {
			t.Errorf("birth %+v, %v", b, err)
		}
		if wanted, err := s.Wanted(ctx); err != nil || !slices.Equal(wanted, []ownership.Cliente{5}) {
			t.Errorf("wanted %v, %v", wanted, err)
		}
		if known, err := s.Known(ctx, 6); err != nil || !known {
			t.Errorf("a cliente that was never paired: %v, %v", known, err)
		}
		if n := column(t, s, "SELECT count(*) FROM notes WHERE incarnation = 'of-n1' AND noted_at > 0"); n[0] != "1" {
			t.Errorf("%s notes", n[0])
		}
		former, _, err := s.Raise(ctx, 5, ownership.Token{Generation: 1, Revision: 20}, []string{"", "of-n1"})
		if err != nil || former.Token.Revision != 0 && former.Token.Revision != 10 {
			t.Errorf("former fence %+v, %v", former, err)
		}
		a, _ := own(t, s, 5, 21)
		checkCredentials(ctx, t, a)
		checkSends(ctx, t, a)
		again := incoming("IN1", "900000000002@lid", "", "message") // under the other address, of another device
		again.Timestamp = time.Unix(1764000000, 0)
		if err := a.PutIncoming(ctx, again); err != nil {
			t.Fatal(err)
		}
		if got := column(t, s, "SELECT identity FROM events ORDER BY sequence"); !slices.Equal(got, []string{"@/IN", "900000000002@lid/IN1", "900000000002@lid/IN2", "5491100000007@pn/IN3"}) {
			t.Errorf("messages %q", got)
		}
		var message []byte
		if err := s.db.QueryRow(ctx, "SELECT message FROM events WHERE identity LIKE '%/IN1' AND happened_at = 1764000000000000").Scan(&message); err != nil || !bytes.Equal(message, []byte("\x0a\x04hola")) {
			t.Errorf("message %q, %v", message, err)
		}
	})
}

func checkCredentials(ctx context.Context, t *testing.T, a *Account) {
	t.Helper()
	device, err := a.Device(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if device.ID.User != "5491100000001" {
		t.Errorf("device %s", device.ID)
	}
	ratchet, err := device.Sessions.GetSession(ctx, "them:1")
	if err != nil || string(ratchet) != "of 3EB0PENDING" {
		t.Errorf("ratchet %q, %v", ratchet, err)
	}
	if trusted, err := device.Identities.IsTrustedIdentity(ctx, "them:1", [32]byte{1}); err != nil || !trusted {
		t.Errorf("identity: %v, %v", trusted, err)
	}
	if keys, err := device.PreKeys.GetOrGenPreKeys(ctx, 5); err != nil || len(keys) != 5 || keys[4].KeyID != 5 {
		t.Errorf("prekeys %v, %v", keys, err)
	}
	if key, err := device.SenderKeys.GetSenderKey(ctx, "1203@g.us", "them:1"); err != nil || string(key) != "sender key" {
		t.Errorf("sender key %q, %v", key, err)
	}
	if salt, err := device.NCTSalt.GetNCTSalt(ctx); err != nil || string(salt) != "salt" {
		t.Errorf("salt %q, %v", salt, err)
	}
	ana := types.NewJID("5491100000002", types.DefaultUserServer)
	if contact, err := device.Contacts.GetContact(ctx, ana); err != nil || contact.PushName != "Ana" {
		t.Errorf("contact %+v, %v", contact, err)
	}
	if lid, err := device.LIDs.GetLIDForPN(ctx, ana); err != nil || lid.User != "900000000002" {
		t.Errorf("LID %s, %v", lid, err)
	}
	if secret, _, err := device.MsgSecrets.GetMessageSecret(ctx, ana, ana, "SECRET"); err != nil || len(secret) != 32 {
		t.Errorf("secret %v, %v", secret, err)
	}
	if format, plain, err := device.EventBuffer.GetOutgoingEvent(ctx, types.JID{User: "them", Server: types.HiddenUserServer}, types.EmptyJID, "3EB0DONE"); err != nil || format != "f" || string(plain) != "p" {
		t.Errorf("sent text %q, %v", plain, err)
	}
}

func checkSends(ctx context.Context, t *testing.T, a *Account) {
	t.Helper()
	for key, want := range map[string]Send{
		"done":    {Key: "done", MessageID: "3EB0DONE", BodyHash: [32]byte{1}, Done: true, Timestamp: time.Unix(1764000000, 0).UTC()},
		"pending": {Key: "pending", MessageID: "3EB0PENDING", BodyHash: [32]byte{2}},
	} {
		if got, ok, err := a.Standing(ctx, key); err != nil || !ok || got != want {
			t.Errorf("send %+v, %v, %v; want %+v", got, ok, err, want)
		}
	}
}
