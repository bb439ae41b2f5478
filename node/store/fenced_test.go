package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/proto/waAdv"
	wastore "go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"

	"session-manager/node/ownership"
)

// paired is an account whose device has been saved, as after pairing.
func paired(t *testing.T, s *Store, c ownership.Cliente, revision int64, phone string) (*Account, *wastore.Device, *ownership.Hold) {
	t.Helper()
	a, hold := own(t, s, c, revision)
	device, err := a.Device(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	if device.ID == nil {
		jid := types.JID{User: phone, Device: 1, Server: types.DefaultUserServer}
		device.ID = &jid
		device.Account = &waAdv.ADVSignedDeviceIdentity{
			Details: []byte{1}, AccountSignature: make([]byte, 64), AccountSignatureKey: make([]byte, 32), DeviceSignature: make([]byte, 64),
		}
		if err := device.Save(deadline(t)); err != nil {
			t.Fatal(err)
		}
	}
	return a, device, hold
}

// stores are a paired device's, all of them one.
func stores(device *wastore.Device) *fencedStore { return device.Sessions.(*fencedStore) }

// writes are all methods that change an account's stored state, with arguments that do.
// TestEveryWriteIsListed compares them with whatsmeow's interfaces.
func writes(a *Account, device *wastore.Device) map[string]func(ctx context.Context) error {
	s := stores(device)
	them := types.JID{User: "5491100000009", Server: types.DefaultUserServer}
	lid := types.JID{User: "900000000009", Server: types.HiddenUserServer}
	var hash [32]byte
	return map[string]func(context.Context) error{
		"PutIdentity":         func(ctx context.Context) error { return s.PutIdentity(ctx, "new:1", hash) },
		"DeleteAllIdentities": func(ctx context.Context) error { return s.DeleteAllIdentities(ctx, "them") },
		"DeleteIdentity":      func(ctx context.Context) error { return s.DeleteIdentity(ctx, "them:1") },
		"PutSession":          func(ctx context.Context) error { return s.PutSession(ctx, "them:1", []byte("late")) },
		"PutManySessions": func(ctx context.Context) error {
			return s.PutManySessions(ctx, map[string][]byte{"them:1": []byte("late"), "a:1": []byte("x")})
		},
		"DeleteAllSessions":     func(ctx context.Context) error { return s.DeleteAllSessions(ctx, "them") },
		"DeleteSession":         func(ctx context.Context) error { return s.DeleteSession(ctx, "them:1") },
		"MigratePNToLID":        func(ctx context.Context) error { return s.MigratePNToLID(ctx, them, lid) },
		"GetOrGenPreKeys":       func(ctx context.Context) error { _, err := s.GetOrGenPreKeys(ctx, 100); return err },
		"GenOnePreKey":          func(ctx context.Context) error { _, err := s.GenOnePreKey(ctx); return err },
		"RemovePreKey":          func(ctx context.Context) error { return s.RemovePreKey(ctx, 1) },
		"MarkPreKeysAsUploaded": func(ctx context.Context) error { return s.MarkPreKeysAsUploaded(ctx, 1000) },
		"PutSenderKey":          func(ctx context.Context) error { return s.PutSenderKey(ctx, "g", "them:1", []byte("late")) },
		"PutAppStateSyncKey": func(ctx context.Context) error {
			return s.PutAppStateSyncKey(ctx, []byte("k"), wastore.AppStateSyncKey{Data: []byte("d"), Fingerprint: []byte("f"), Timestamp: 9})
		},
		"PutAppStateVersion":    func(ctx context.Context) error { return s.PutAppStateVersion(ctx, "n", 7, [128]byte{}) },
		"DeleteAppStateVersion": func(ctx context.Context) error { return s.DeleteAppStateVersion(ctx, "doomed") },
		"PutAppStateMutationMACs": func(ctx context.Context) error {
			return s.PutAppStateMutationMACs(ctx, "old", 3, []wastore.AppStateMutationMAC{{IndexMAC: bytes.Repeat([]byte{2}, 32), ValueMAC: make([]byte, 32)}})
		},
		"DeleteAppStateMutationMACs": func(ctx context.Context) error {
			return s.DeleteAppStateMutationMACs(ctx, "old", [][]byte{bytes.Repeat([]byte{1}, 32)})
		},
		"PutPushName":     func(ctx context.Context) error { _, _, err := s.PutPushName(ctx, them, "late"); return err },
		"PutBusinessName": func(ctx context.Context) error { _, _, err := s.PutBusinessName(ctx, them, "late"); return err },
		"PutContactName":  func(ctx context.Context) error { return s.PutContactName(ctx, them, "late", "late") },
		"PutAllContactNames": func(ctx context.Context) error {
			return s.PutAllContactNames(ctx, []wastore.ContactEntry{{JID: them, FirstName: "l", FullName: "late"}})
		},
		"PutManyRedactedPhones": func(ctx context.Context) error {
			return s.PutManyRedactedPhones(ctx, []wastore.RedactedPhoneEntry{{JID: lid, RedactedPhone: "+54"}})
		},
		"PutMutedUntil": func(ctx context.Context) error { return s.PutMutedUntil(ctx, them, time.Unix(99, 0)) },
		"PutPinned":     func(ctx context.Context) error { return s.PutPinned(ctx, them, true) },
		"PutArchived":   func(ctx context.Context) error { return s.PutArchived(ctx, them, true) },
		"PutMessageSecrets": func(ctx context.Context) error {
			return s.PutMessageSecrets(ctx, []wastore.MessageSecretInsert{{Chat: them, Sender: them, ID: "L", Secret: []byte("s")}})
		},
		"PutMessageSecret": func(ctx context.Context) error { return s.PutMessageSecret(ctx, them, them, "LATE", []byte("s")) },
		"PutPrivacyTokens": func(ctx context.Context) error {
			return s.PutPrivacyTokens(ctx, wastore.PrivacyToken{User: them, Token: []byte("late"), Timestamp: time.Unix(99, 0)})
		},
		"DeleteExpiredPrivacyTokens": func(ctx context.Context) error {
			s.pruneAt = time.Time{} // it is due
			_, err := s.DeleteExpiredPrivacyTokens(ctx, time.Now())
			return err
		},
		"PutNCTSalt":    func(ctx context.Context) error { return s.PutNCTSalt(ctx, []byte("late")) },
		"DeleteNCTSalt": func(ctx context.Context) error { return s.DeleteNCTSalt(ctx) },
		"PutBufferedEvent": func(ctx context.Context) error {
			return s.PutBufferedEvent(ctx, [32]byte{9}, []byte("late"), time.Now())
		},
		"DoDecryptionTxn": func(ctx context.Context) error {
			return s.DoDecryptionTxn(ctx, func(context.Context) error { return nil })
		},
		"ClearBufferedEventPlaintext": func(ctx context.Context) error { return s.ClearBufferedEventPlaintext(ctx, [32]byte{1}) },
		"DeleteOldBufferedHashes":     func(ctx context.Context) error { return s.DeleteOldBufferedHashes(ctx) },
		"AddOutgoingEvent":            func(ctx context.Context) error { return s.AddOutgoingEvent(ctx, them, "LATE", "f", []byte("p")) },
		"DeleteOldOutgoingEvents":     func(ctx context.Context) error { return s.DeleteOldOutgoingEvents(ctx) },
		"PutManyLIDMappings": func(ctx context.Context) error {
			return device.LIDs.PutManyLIDMappings(ctx, []wastore.LIDMapping{{LID: lid, PN: them}})
		},
		"PutLIDMapping": func(ctx context.Context) error { return device.LIDs.PutLIDMapping(ctx, lid, them) },
		"PutDevice":     func(ctx context.Context) error { device.PushName = "late"; return device.Save(ctx) },
		"DeleteDevice":  func(ctx context.Context) error { return device.Container.DeleteDevice(ctx, device) },
		"Sending": func(ctx context.Context) error {
			_, err := reserve(ctx, a, s, Send{Key: "late", MessageID: "M"})
			return err
		},
		"Standing": func(ctx context.Context) error { _, _, err := a.Standing(ctx, "before"); return err }, // not even told
		"PutIncoming": func(ctx context.Context) error {
			return a.PutIncoming(ctx, Incoming{MessageID: "LATE", Payload: []byte("p")})
		},
	}
}

// reserve is a message of whatsmeow's up to the moment when its frame may leave: the send that
// stands then.
func reserve(ctx context.Context, a *Account, s *fencedStore, send Send) (Send, error) {
	sending, ended := a.Sending(ctx, send, true)
	_, loadErr := s.GetManySessions(sending, []string{"them:1"})
	err := errors.Join(loadErr,
		s.AddOutgoingEvent(sending, types.JID{User: "them", Server: types.HiddenUserServer}, send.MessageID, "f", []byte("p")),
		s.PutManySessions(sending, map[string][]byte{"them:1": []byte("of " + send.MessageID)}))
	addresses, stands := ended()
	switch {
	case stands:
		standing, ok, err := a.Standing(ctx, send.Key)
		if err == nil && !ok {
			err = errors.New("nothing stands")
		}
		return standing, err
	case err != nil:
		return Send{}, err
	case len(addresses) != 1 || addresses[0] != "them:1":
		return Send{}, fmt.Errorf("stored for %q", addresses)
	}
	return send, nil
}

// seed writes something that each deletion could take away.
func seed(t *testing.T, a *Account, device *wastore.Device) {
	t.Helper()
	s := stores(device)
	ctx := deadline(t)
	them := types.JID{User: "5491100000009", Server: types.DefaultUserServer}
	_, keysErr := s.GetOrGenPreKeys(ctx, 5)
	_, sendErr := reserve(ctx, a, s, Send{Key: "before", MessageID: "B"})
	if err := errors.Join(keysErr, sendErr,
		s.PutIdentity(ctx, "them:1", [32]byte{1}),
		s.PutManySessions(ctx, map[string][]byte{"them:1": []byte("one"), "5491100000009:0": []byte("two")}),
		s.PutAppStateVersion(ctx, "old", 3, [128]byte{}),
		s.PutAppStateVersion(ctx, "doomed", 3, [128]byte{}),
		s.PutAppStateMutationMACs(ctx, "old", 3, []wastore.AppStateMutationMAC{{IndexMAC: bytes.Repeat([]byte{1}, 32), ValueMAC: make([]byte, 32)}}),
		s.PutNCTSalt(ctx, []byte("salt")),
		s.PutBufferedEvent(ctx, [32]byte{1}, []byte("plain"), time.Now()),
		s.PutPrivacyTokens(ctx, wastore.PrivacyToken{User: them, Token: []byte("t"), Timestamp: time.Unix(1, 0)}),
		a.PutIncoming(ctx, Incoming{MessageID: "IN", Payload: []byte("p")}),
	); err != nil {
		t.Fatal(err)
	}
}

// Invariant B, write by write: a stale owner changes no stored row, and its ownership has
// ended by the time it learns of it.
func TestAStaleOwnerWritesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		old, successor := open(t, url, "n1"), open(t, url, "n2")
		a, device, _ := paired(t, old, 5, 10, "5491100000001")
		seed(t, a, device)
		if _, _, err := successor.Raise(deadline(t), 5, ownership.Token{Generation: 1, Revision: 20}, nil); err != nil {
			t.Fatal(err)
		}
		before := dump(t, successor)
		for name := range writes(a, device) {
			stale, hold := own2(old, 5, 10)
			stale.install(device, false)
			stale.Finish("before", time.Now())
			stale.Quiesce()
			err := writes(stale, device)[name](context.Background())
			if !errors.Is(err, ownership.ErrFenced) {
				t.Errorf("%s: %v", name, err)
			}
			if !errors.Is(context.Cause(hold.Context()), ownership.ErrFenced) {
				t.Errorf("%s: the ownership goes on", name)
			}
		}
		if after := dump(t, successor); after != before {
			t.Errorf("rows changed:\n%s\nwere:\n%s", after, before)
		}
	})
}

// own2 is the ownership of a token that was valid once, without raising a fence.
func own2(s *Store, c ownership.Cliente, revision int64) (*Account, *ownership.Hold) {
	lease := ownership.NewLease(1, time.Now(), time.Hour, time.Second)
	hold := ownership.NewHold(context.Background(), c, ownership.Token{Generation: 1, Revision: revision}, lease)
	return s.Account(hold), hold
}

// The owner itself may do all of it.
func TestTheOwnerWrites(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url, "n1")
		a, device, _ := paired(t, s, 5, 10, "5491100000001")
		seed(t, a, device)
		all := writes(a, device)
		for name, write := range all {
			if name == "DeleteDevice" {
				continue
			}
			if err := write(deadline(t)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := all["DeleteDevice"](deadline(t)); err != nil {
			t.Errorf("DeleteDevice: %v", err)
		}
	})
}

// reads are whatsmeow's store methods that change nothing.
var reads = map[string]bool{
	"IsTrustedIdentity": true, "GetSession": true, "HasSession": true, "GetManySessions": true, "GetPreKey": true,
	"UploadedPreKeyCount": true, "GetSenderKey": true, "GetAppStateSyncKey": true, "GetLatestAppStateSyncKeyID": true,
	"GetAllAppStateSyncKeys": true, "GetAppStateVersion": true, "GetAppStateMutationMAC": true, "GetContact": true,
	"GetAllContacts": true, "GetChatSettings": true, "GetMessageSecret": true, "GetPrivacyToken": true, "GetNCTSalt": true,
	"GetBufferedEvent": true, "GetOutgoingEvent": true, "GetPNForLID": true, "GetLIDForPN": true, "GetManyLIDsForPNs": true,
}

// A method that a new version of whatsmeow adds is either a read or in the test above.
func TestEveryWriteIsListed(t *testing.T) {
	s := open(t, "sqlite:"+t.TempDir()+"/store.db", "n1")
	a, device, _ := paired(t, s, 5, 10, "5491100000001")
	listed := writes(a, device)
	for _, iface := range []reflect.Type{
		reflect.TypeFor[wastore.AllSessionSpecificStores](), reflect.TypeFor[wastore.AllGlobalStores](), reflect.TypeFor[wastore.DeviceContainer](),
	} {
		for i := range iface.NumMethod() {
			name := iface.Method(i).Name
			if _, write := listed[name]; write == reads[name] {
				t.Errorf("%s is in both lists, or in neither", name)
			}
			if !reads[name] && strings.HasPrefix(name, "Get") && name != "GetOrGenPreKeys" {
				t.Errorf("%s sounds like a read", name)
			}
		}
	}
}
