package store

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	wastore "go.mau.fi/whatsmeow/store"

	"session-manager/node/ownership"
)

// Nothing of a device that was logged out stays, and one that is paired under the same JID
// later gets its own keys.
func TestPairedAgainUnderTheSameJID(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, "n1"), deadline(t)
		a, device, _ := paired(t, s, 5, 10, "5491100000001")
		jid, account := *device.ID, device.Account
		put := func(d *wastore.Device) error {
			return errors.Join(d.Identities.PutIdentity(ctx, "them:1", [32]byte{3}),
				d.PrivacyTokens.PutPrivacyTokens(ctx, wastore.PrivacyToken{User: phoneNumber(1), Token: []byte("t"), Timestamp: time.Now()}))
		}
		rows := func(want string) {
			t.Helper()
			for _, table := range []string{"whatsmeow_device", "whatsmeow_identity_keys", "whatsmeow_privacy_tokens"} {
				if n := column(t, s, "SELECT count(*) FROM "+table); n[0] != want {
					t.Errorf("%s rows in %s, want %s", n[0], table, want)
				}
			}
		}
		if err := put(device); err != nil {
			t.Fatal(err)
		}
		if err := device.Delete(ctx); err != nil {
			t.Fatal(err)
		}
		rows("0")
		again, err := a.Device(ctx)
		if err != nil {
			t.Fatal(err)
		}
		again.ID, again.Account = &jid, account
		if err := errors.Join(again.Save(ctx), put(again)); err != nil {
			t.Fatal(err)
		}
		rows("1")

		// WhatsApp gives the JID to a third, and nobody has told us that the second is gone.
		b, _ := own(t, s, 6, 10)
		third, err := b.Device(ctx)
		if err != nil {
			t.Fatal(err)
		}
		third.ID, third.Account = &jid, account
		if err := third.Save(ctx); err != nil {
			t.Fatal(err)
		}
		stored, err := b.Device(ctx)
		if err != nil || *stored.NoiseKey.Priv != *third.NoiseKey.Priv {
			t.Errorf("the former device's keys stay (%v)", err)
		}
		if former, err := a.Device(ctx); err != nil || former.ID != nil {
			t.Errorf("two clientes have one device: %v, %v", former.ID, err)
		}
	})
}

func TestSlowIsNotCorrupt(t *testing.T) {
	url := databases.URL(t)
	s, impatient := open(t, url, "n1"), open(t, url+"&options=-c%20statement_timeout%3D200", "n2")
	paired(t, s, 5, 10, "5491100000001")
	a, _ := own(t, impatient, 5, 11)
	tx, err := s.db.RawDB.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec("LOCK TABLE whatsmeow_device IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Device(deadline(t)); !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrCorrupt) {
		t.Errorf("a time-out: %v", err)
	}
}

// A row that cannot be read is its cliente's alone.
func TestUnreadableRow(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, "n1"), deadline(t)
		paired(t, s, 5, 10, "5491100000001")
		paired(t, s, 6, 11, "5491100000002")
		if _, err := s.db.Exec(ctx, "UPDATE whatsmeow_device SET lid = 'a.b.c:x@lid' WHERE jid LIKE '5491100000001%'"); err != nil {
			t.Fatal(err)
		}
		a, _ := own(t, s, 5, 12)
		if _, err := a.Device(ctx); !errors.Is(err, ErrCorrupt) {
			t.Errorf("a row that cannot be read: %v", err)
		}
		b, _ := own(t, s, 6, 13)
		if _, err := b.Device(ctx); err != nil {
			t.Errorf("its neighbour: %v", err)
		}
	})
}

func TestWhatIsNotThereFencesNobody(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, "n1"), deadline(t)
		a, device, hold := paired(t, s, 5, 10, "5491100000001")
		a.Finish("never reserved", time.Now())
		a.Quiesce()
		if _, ok, err := a.Standing(ctx, "never reserved"); ok || err != nil {
			t.Errorf("standing: %v, %v", ok, err)
		}
		if err := errors.Join(
			device.PreKeys.RemovePreKey(ctx, 999),
			device.EventBuffer.ClearBufferedEventPlaintext(ctx, [32]byte{9}),
			a.PutIncoming(ctx, Incoming{MessageID: "no payload"}),
			hold.Check(time.Now()),
		); err != nil {
			t.Error(err)
		}
	})
}

// A stale owner is not even told what stands under a key.
func TestStaleReserveOfAKnownKey(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, "n1"), deadline(t)
		a, device, hold := paired(t, s, 5, 10, "5491100000001")
		if _, err := reserve(ctx, a, stores(device), Send{Key: "k", MessageID: "M"}); err != nil {
			t.Fatal(err)
		}
		own(t, open(t, url, "n2"), 5, 20)
		if _, err := reserve(ctx, a, stores(device), Send{Key: "k", MessageID: "M"}); !errors.Is(err, ownership.ErrFenced) || hold.Context().Err() == nil {
			t.Errorf("%v, the ownership's end: %v", err, hold.Context().Err())
		}
	})
}

func TestSQLiteFilesAreOurs(t *testing.T) {
	dir := t.TempDir()
	open(t, "sqlite:"+dir+"/store.db", "n1")
	files, err := filepath.Glob(dir + "/store.db*")
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", filepath.Base(file), info.Mode(), err)
		}
	}
}
