package store

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	wastore "go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types"
)

// fencedStore is whatsmeow's store of one device with every write fenced. What a message
// needs, in hot.go, is one statement each; the rest goes through whatsmeow's own statements
// in a transaction that checks the fence first. A test compares the methods with a list of
// reads, so that a new write of whatsmeow's cannot slip through.
type fencedStore struct {
	*sqlstore.SQLStore
	*guard
	jid     types.JID
	preKeys sync.Mutex // prekey IDs are given out by one at a time
	// uploaded is one more than the uploaded prekeys that the load of the device has counted, until a
	// login has asked for it; else 0.
	uploaded atomic.Int64

	lids       *fencedLIDs
	identities known[string, [32]byte]  // by Signal address
	pushNames  known[types.JID, string] // each message brings its sender's
	migrated   known[string, string]    // LID by phone number, as Signal users
	tokens     known[types.JID, *wastore.PrivacyToken]
	salt       known[struct{}, *[]byte]
	ratchets   *ratchets

	texts texts

	sweep   sync.Mutex // guards pruneAt
	pruneAt time.Time  // when expired privacy tokens are deleted next
}

func newFencedStore(a *Account, jid types.JID) *fencedStore {
	return &fencedStore{
		SQLStore: sqlstore.NewSQLStore(a.container, jid), guard: &a.guard, jid: jid, lids: &fencedLIDs{guard: &a.guard}, ratchets: newRatchets(),
		pruneAt: time.Now().Add(rand.N(sweepEvery)),
	}
}

// forget forgets what is known to be stored: something was taken back.
func (s *fencedStore) forget() {
	s.lids.forget()
	s.identities.forget()
	s.pushNames.forget()
	s.migrated.forget()
	s.tokens.forget()
	s.salt.forget()
}

var _ wastore.AllSessionSpecificStores = (*fencedStore)(nil)

func (s *fencedStore) DeleteAllIdentities(ctx context.Context, phone string) error {
	defer s.identities.forget()
	return s.txn(ctx, func(ctx context.Context) error { return s.SQLStore.DeleteAllIdentities(ctx, phone) })
}

func (s *fencedStore) DeleteIdentity(ctx context.Context, address string) error {
	defer s.identities.forget()
	return s.txn(ctx, func(ctx context.Context) error { return s.SQLStore.DeleteIdentity(ctx, address) })
}

func (s *fencedStore) DeleteAllSessions(ctx context.Context, phone string) error {
	return s.moveRatchets(ctx, func(ctx context.Context) error { return s.SQLStore.DeleteAllSessions(ctx, phone) })
}

func (s *fencedStore) DeleteSession(ctx context.Context, address string) error {
	return s.moveRatchets(ctx, func(ctx context.Context) error { return s.SQLStore.DeleteSession(ctx, address) })
}

// moveRatchets runs fn, which does more to ratchets than step them, in a transaction.
func (s *fencedStore) moveRatchets(ctx context.Context, fn func(ctx context.Context) error) error {
	return s.step(ctx, func(ctx context.Context) error {
		defer s.ratchets.forget()
		return s.txn(ctx, fn)
	})
}

// MigratePNToLID moves what is stored under a phone number to its LID. It is asked for with
// each message, and needed once.
func (s *fencedStore) MigratePNToLID(ctx context.Context, pn, lid types.JID) error {
	from, to := pn.SignalAddressUser(), lid.SignalAddressUser()
	if s.migrated.is(from, to) {
		return s.check()
	}
	defer s.identities.forget()
	err := s.moveRatchets(ctx, func(ctx context.Context) error {
		// whatsmeow's store believes a migration done before it is, and for good: take a new one.
		return sqlstore.NewSQLStore(s.Container, s.jid).MigratePNToLID(ctx, pn, lid)
	})
	if err == nil {
		s.migrated.put(from, to)
	}
	return err
}

func (s *fencedStore) MarkPreKeysAsUploaded(ctx context.Context, upToID uint32) error {
	return s.txn(ctx, func(ctx context.Context) error { return s.SQLStore.MarkPreKeysAsUploaded(ctx, upToID) })
}

func (s *fencedStore) PutAppStateSyncKey(ctx context.Context, id []byte, key wastore.AppStateSyncKey) error {
	return s.txn(ctx, func(ctx context.Context) error { return s.SQLStore.PutAppStateSyncKey(ctx, id, key) })
}

func (s *fencedStore) PutAppStateVersion(ctx context.Context, name string, version uint64, hash [128]byte) error {
	return s.txn(ctx, func(ctx context.Context) error { return s.SQLStore.PutAppStateVersion(ctx, name, version, hash) })
}

func (s *fencedStore) DeleteAppStateVersion(ctx context.Context, name string) error {
	return s.txn(ctx, func(ctx context.Context) error { return s.SQLStore.DeleteAppStateVersion(ctx, name) })
}

func (s *fencedStore) PutAppStateMutationMACs(ctx context.Context, name string, version uint64, mutations []wastore.AppStateMutationMAC) error {
	return s.txn(ctx, func(ctx context.Context) error {
		return s.SQLStore.PutAppStateMutationMACs(ctx, name, version, mutations)
	})
}

func (s *fencedStore) DeleteAppStateMutationMACs(ctx context.Context, name string, indexMACs [][]byte) error {
	return s.txn(ctx, func(ctx context.Context) error { return s.SQLStore.DeleteAppStateMutationMACs(ctx, name, indexMACs) })
}

func (s *fencedStore) PutPushName(ctx context.Context, user types.JID, pushName string) (changed bool, before string, err error) {
	if s.pushNames.is(user, pushName) {
		return false, "", s.check()
	}
	err = s.txn(ctx, func(ctx context.Context) (err error) {
		changed, before, err = s.SQLStore.PutPushName(ctx, user, pushName)
		return err
	})
	if err == nil {
		s.pushNames.put(user, pushName)
	}
	return changed, before, aside(err)
}

func (s *fencedStore) PutBusinessName(ctx context.Context, user types.JID, name string) (changed bool, before string, err error) {
	err = s.txn(ctx, func(ctx context.Context) (err error) {
		changed, before, err = s.SQLStore.PutBusinessName(ctx, user, name)
		return err
	})
	return changed, before, aside(err)
}

func (s *fencedStore) PutContactName(ctx context.Context, user types.JID, firstName, fullName string) error {
	return aside(s.txn(ctx, func(ctx context.Context) error { return s.SQLStore.PutContactName(ctx, user, firstName, fullName) }))
}

func (s *fencedStore) PutAllContactNames(ctx context.Context, contacts []wastore.ContactEntry) error {
	return storable(contacts, func(some []wastore.ContactEntry) error {
		return s.txn(ctx, func(ctx context.Context) error { return s.SQLStore.PutAllContactNames(ctx, some) })
	})
}

func (s *fencedStore) PutManyRedactedPhones(ctx context.Context, entries []wastore.RedactedPhoneEntry) error {
	return storable(entries, func(some []wastore.RedactedPhoneEntry) error {
		return s.txn(ctx, func(ctx context.Context) error { return s.SQLStore.PutManyRedactedPhones(ctx, some) })
	})
}

// GetContact and GetAllContacts read in a transaction, though they are reads: whatsmeow's
// store takes its contacts' lock and then a connection, a fenced write the other way round.
func (s *fencedStore) GetContact(ctx context.Context, user types.JID) (contact types.ContactInfo, err error) {
	err = s.read(ctx, func(ctx context.Context) (err error) {
		contact, err = s.SQLStore.GetContact(ctx, user)
		return err
	})
	return contact, err
}

func (s *fencedStore) GetAllContacts(ctx context.Context) (all map[types.JID]types.ContactInfo, err error) {
	err = s.read(ctx, func(ctx context.Context) (err error) {
		all, err = s.SQLStore.GetAllContacts(ctx)
		return err
	})
	return all, err
}

func (s *fencedStore) PutMutedUntil(ctx context.Context, chat types.JID, until time.Time) error {
	return aside(s.txn(ctx, func(ctx context.Context) error { return s.SQLStore.PutMutedUntil(ctx, chat, until) }))
}

func (s *fencedStore) PutPinned(ctx context.Context, chat types.JID, pinned bool) error {
	return aside(s.txn(ctx, func(ctx context.Context) error { return s.SQLStore.PutPinned(ctx, chat, pinned) }))
}

func (s *fencedStore) PutArchived(ctx context.Context, chat types.JID, archived bool) error {
	return aside(s.txn(ctx, func(ctx context.Context) error { return s.SQLStore.PutArchived(ctx, chat, archived) }))
}

func (s *fencedStore) PutMessageSecrets(ctx context.Context, inserts []wastore.MessageSecretInsert) error {
	return storable(inserts, func(some []wastore.MessageSecretInsert) error {
		return s.txn(ctx, func(ctx context.Context) error { return s.SQLStore.PutMessageSecrets(ctx, some) })
	})
}

func (s *fencedStore) PutPrivacyTokens(ctx context.Context, tokens ...wastore.PrivacyToken) error {
	defer s.tokens.forget()
	return storable(tokens, func(some []wastore.PrivacyToken) error {
		return s.txn(ctx, func(ctx context.Context) error { return s.SQLStore.PutPrivacyTokens(ctx, some...) })
	})
}

// DeleteExpiredPrivacyTokens deletes some time after the session's start: whatsmeow asks for it with
// each login, and logins may come by the thousand.
func (s *fencedStore) DeleteExpiredPrivacyTokens(ctx context.Context, cutoff time.Time) (n int64, err error) {
	if !s.due(&s.pruneAt) {
		return 0, s.check()
	}
	defer s.tokens.forget()
	return s.put(ctx, "DELETE FROM whatsmeow_privacy_tokens WHERE our_jid = $4 AND timestamp < $5 AND EXISTS (SELECT 1 FROM f)", s.JID, cutoff.Unix())
}

func (s *fencedStore) PutNCTSalt(ctx context.Context, salt []byte) error {
	defer s.salt.forget()
	return s.txn(ctx, func(ctx context.Context) error { return s.SQLStore.PutNCTSalt(ctx, salt) })
}

func (s *fencedStore) DeleteNCTSalt(ctx context.Context) error {
	defer s.salt.forget()
	return s.txn(ctx, s.SQLStore.DeleteNCTSalt)
}

func (s *fencedStore) PutBufferedEvent(ctx context.Context, hash [32]byte, plaintext []byte, serverTime time.Time) error {
	return s.txn(ctx, func(ctx context.Context) error { return s.SQLStore.PutBufferedEvent(ctx, hash, plaintext, serverTime) })
}

// DoDecryptionTxn runs a decryption: the ratchet's step and the plaintext are stored together.
func (s *fencedStore) DoDecryptionTxn(ctx context.Context, fn func(context.Context) error) error {
	return s.step(ctx, func(ctx context.Context) error {
		var decrypted error
		again := false
		err := s.transact(ctx, func(ctx context.Context) error {
			if again {
				s.forget()
				s.ratchets.forget()
			}
			again = true
			decrypted = fn(ctx)
			return decrypted
		})
		if err != nil { // what fn stored was rolled back
			s.forget()
			s.ratchets.forget()
		}
		if decrypted != nil {
			return decrypted // not the store's; what was, has been told by whom fn called
		}
		return s.fail(ctx, err)
	})
}

// DeleteOldBufferedHashes deletes this device's; whatsmeow's own goes through everybody's.
func (s *fencedStore) DeleteOldBufferedHashes(ctx context.Context) error {
	return s.txn(ctx, func(ctx context.Context) error {
		_, err := s.store.db.Exec(ctx, "DELETE FROM whatsmeow_event_buffer WHERE our_jid = $1 AND insert_timestamp < $2",
			s.JID, time.Now().Add(-keepBuffered).UnixMilli())
		return err
	})
}

// keepBuffered: WhatsApp delivers a message for so long.
const keepBuffered = 14 * 24 * time.Hour

// DeleteOldOutgoingEvents is asked for with each send, which does not wait for it: old texts go by themselves
// (texts.go).
func (s *fencedStore) DeleteOldOutgoingEvents(ctx context.Context) error {
	if sendingOf(ctx) != nil {
		return s.check()
	}
	return s.txn(ctx, s.SQLStore.DeleteOldOutgoingEvents)
}

// due says whether the time has come, and sets the next.
func (s *fencedStore) due(at *time.Time) bool {
	s.sweep.Lock()
	defer s.sweep.Unlock()
	now := time.Now()
	if now.Before(*at) {
		return false
	}
	*at = now.Add(sweepEvery)
	return true
}

const sweepEvery = 12 * time.Hour
