package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	wastore "go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"

	"session-manager/node/ownership"
)

func phoneNumber(i int) types.JID {
	return types.JID{User: fmt.Sprintf("54911%08d", i), Server: types.DefaultUserServer}
}

func lidNumber(i int) types.JID {
	return types.JID{User: fmt.Sprintf("9%08d", i), Server: types.HiddenUserServer}
}

func TestLIDs(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, "n1"), deadline(t)
		_, device, _ := paired(t, s, 5, 10, "5491100000001")
		_, other, _ := paired(t, s, 6, 10, "5491100000002")
		var all []wastore.LIDMapping
		for i := range 1000 {
			all = append(all, wastore.LIDMapping{LID: lidNumber(i), PN: phoneNumber(i)})
		}
		all = append(all, wastore.LIDMapping{LID: phoneNumber(1), PN: lidNumber(1)}) // no such pair
		if err := device.LIDs.PutManyLIDMappings(ctx, all); err != nil {
			t.Fatal(err)
		}
		for _, lids := range []wastore.LIDStore{device.LIDs, other.LIDs} {
			pn := phoneNumber(3)
			pn.Device = 7
			if lid, err := lids.GetLIDForPN(ctx, pn); err != nil || lid.User != lidNumber(3).User || lid.Device != 7 || lid.Server != types.HiddenUserServer {
				t.Errorf("%v, %v", lid, err)
			}
			if pn, err := lids.GetPNForLID(ctx, lidNumber(4)); err != nil || pn != phoneNumber(4) {
				t.Errorf("%v, %v", pn, err)
			}
			if lid, err := lids.GetLIDForPN(ctx, phoneNumber(5000)); err != nil || !lid.IsEmpty() {
				t.Errorf("nobody's LID: %v, %v", lid, err)
			}
			var asked []types.JID
			for i := range 1100 {
				asked = append(asked, phoneNumber(i))
			}
			if many, err := lids.GetManyLIDsForPNs(ctx, asked); err != nil || len(many) != 1000 || many[phoneNumber(999)] != lidNumber(999) {
				t.Errorf("%d, %v", len(many), err)
			}
		}
		// A number that changes its LID, and a LID that changes its number.
		for _, pair := range []wastore.LIDMapping{{LID: lidNumber(2000), PN: phoneNumber(1)}, {LID: lidNumber(2), PN: phoneNumber(2000)}} {
			if err := device.LIDs.PutLIDMapping(ctx, pair.LID, pair.PN); err != nil {
				t.Fatal(err)
			}
			if lid, err := device.LIDs.GetLIDForPN(ctx, pair.PN); err != nil || lid != pair.LID {
				t.Errorf("%s has %s, %v; want %s", pair.PN, lid, err, pair.LID)
			}
		}
		if pn, err := device.LIDs.GetPNForLID(ctx, lidNumber(1)); err != nil || !pn.IsEmpty() {
			t.Errorf("a LID that lost its number has %s, %v", pn, err)
		}
		if lid, err := device.LIDs.GetLIDForPN(ctx, phoneNumber(2)); err != nil || !lid.IsEmpty() {
			t.Errorf("a number that lost its LID has %s, %v", lid, err)
		}
	})
}

// What a transaction took back is not believed to be stored.
func TestRolledBackIsNotKnown(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, "n1"), deadline(t)
		_, device, _ := paired(t, s, 5, 10, "5491100000001")
		write := func(ctx context.Context) error {
			_, _, err := device.Contacts.PutBusinessName(ctx, phoneNumber(1), "B")
			return errors.Join(err, device.LIDs.PutLIDMapping(ctx, lidNumber(1), phoneNumber(1)),
				device.Identities.PutIdentity(ctx, "them:1", [32]byte{1}))
		}
		no := errors.New("no")
		if err := device.EventBuffer.DoDecryptionTxn(ctx, func(ctx context.Context) error { return errors.Join(write(ctx), no) }); !errors.Is(err, no) {
			t.Fatal(err)
		}
		if err := write(ctx); err != nil {
			t.Fatal(err)
		}
		for _, table := range []string{"whatsmeow_lid_map", "whatsmeow_identity_keys"} {
			if n := column(t, s, "SELECT count(*) FROM "+table); n[0] != "1" {
				t.Errorf("%s rows in %s", n[0], table)
			}
		}
	})
}

// A migration that failed is made again.
func TestMigrationToLIDIsTriedAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, "n1"), deadline(t)
		_, device, _ := paired(t, s, 5, 10, "5491100000001")
		pn, lid := phoneNumber(1), lidNumber(1)
		if err := device.Sessions.PutSession(ctx, pn.SignalAddress().String(), []byte("ratchet")); err != nil {
			t.Fatal(err)
		}
		rename := func(from, to string) {
			if _, err := s.db.Exec(ctx, "ALTER TABLE "+from+" RENAME TO "+to); err != nil {
				t.Fatal(err)
			}
		}
		rename("whatsmeow_sender_keys", "away")
		if err := device.Sessions.MigratePNToLID(ctx, pn, lid); !errors.Is(err, ErrUnavailable) {
			t.Fatal(err)
		}
		rename("away", "whatsmeow_sender_keys")
		if err := device.Sessions.MigratePNToLID(ctx, pn, lid); err != nil {
			t.Fatal(err)
		}
		if got, err := device.Sessions.GetSession(ctx, lid.SignalAddress().String()); err != nil || string(got) != "ratchet" {
			t.Errorf("under the LID: %q, %v", got, err)
		}
	})
}

// Reads that fill a cache and fenced writes of the same account go on beside each other, even
// where the database has one connection for all.
func TestReadsAndWritesDoNotWaitForEachOther(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, "n1"), deadline(t)
		_, device, _ := paired(t, s, 5, 10, "5491100000001")
		var all sync.WaitGroup
		for name, call := range map[string]func(i int) error{
			"put LID":     func(i int) error { return device.LIDs.PutLIDMapping(ctx, lidNumber(i), phoneNumber(i)) },
			"get LID":     func(i int) error { _, err := device.LIDs.GetLIDForPN(ctx, phoneNumber(1000+i)); return err },
			"put contact": func(i int) error { _, _, err := device.Contacts.PutPushName(ctx, phoneNumber(i), "x"); return err },
			"get contact": func(i int) error { _, err := device.Contacts.GetContact(ctx, phoneNumber(1000+i)); return err },
			"all":         func(int) error { _, err := device.Contacts.GetAllContacts(ctx); return err },
			"save":        func(int) error { return device.Save(ctx) },
			"keys":        func(int) error { _, err := device.PreKeys.GenOnePreKey(ctx); return err },
		} {
			all.Go(func() {
				for i := range 50 {
					if err := call(i); err != nil {
						t.Errorf("%s %d: %v", name, i, err)
						return
					}
				}
			})
		}
		all.Wait()
	})
}

// Accounts that meet somebody new at the same moment all store who that is.
func TestLIDsOfSomebodyNewToMany(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, "n1"), deadline(t)
		var lids []wastore.LIDStore
		for i := range 8 {
			_, device, _ := paired(t, s, ownership.Cliente(5+i), 10, phoneNumber(9000+i).User)
			lids = append(lids, device.LIDs)
		}
		for i := range 50 {
			var all sync.WaitGroup
			for _, l := range lids {
				all.Go(func() {
					if err := l.PutLIDMapping(ctx, lidNumber(i), phoneNumber(i)); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
		}
	})
}
