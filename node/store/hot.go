package store

import (
	"context"
	"fmt"
	"strings"

	"go.mau.fi/util/dbutil"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/util/keys"
)

// PutIdentity stores a contact's identity key, unless it is known to be stored already: it
// comes with each message and changes almost never.
func (s *fencedStore) PutIdentity(ctx context.Context, address string, key [32]byte) error {
	if s.identities.is(address, key) {
		return s.check()
	}
	d := s.store.dialect
	_, err := s.put(ctx, "INSERT INTO whatsmeow_identity_keys (our_jid, their_id, identity) SELECT "+d.text(4)+", "+d.text(5)+", "+d.blob(6)+
		" FROM f WHERE true ON CONFLICT (our_jid, their_id) DO UPDATE SET identity = excluded.identity", s.JID, address, key[:])
	if err != nil {
		s.identities.forget()
		return err
	}
	s.identities.put(address, key)
	return nil
}

// IsTrustedIdentity says whether the key is the stored one, or none is stored.
func (s *fencedStore) IsTrustedIdentity(ctx context.Context, address string, key [32]byte) (bool, error) {
	if s.identities.is(address, key) {
		return true, nil
	}
	return get(ctx, s.guard, func(ctx context.Context) (bool, error) { return s.SQLStore.IsTrustedIdentity(ctx, address, key) })
}

// PutSenderKey stores the key chain of a group's member in one statement.
func (s *fencedStore) PutSenderKey(ctx context.Context, group, user string, session []byte) error {
	d := s.store.dialect
	_, err := s.put(ctx, "INSERT INTO whatsmeow_sender_keys (our_jid, chat_id, sender_id, sender_key) SELECT "+
		d.text(4)+", "+d.text(5)+", "+d.text(6)+", "+d.blob(7)+
		" FROM f WHERE true ON CONFLICT (our_jid, chat_id, sender_id) DO UPDATE SET sender_key = excluded.sender_key",
		s.JID, group, user, session)
	return err
}

// PutMessageSecret stores a message's secret, which stays what it is, in one statement.
func (s *fencedStore) PutMessageSecret(ctx context.Context, chat, sender types.JID, id types.MessageID, secret []byte) error {
	d := s.store.dialect
	_, err := s.put(ctx, "INSERT INTO whatsmeow_message_secrets (our_jid, chat_jid, sender_jid, message_id, key) SELECT "+
		d.text(4)+", "+d.text(5)+", "+d.text(6)+", "+d.text(7)+", "+d.blob(8)+
		" FROM f WHERE true ON CONFLICT (our_jid, chat_jid, sender_jid, message_id) DO NOTHING",
		s.JID, chat.ToNonAD().String(), sender.ToNonAD().String(), id, secret)
	return err
}

// ClearBufferedEventPlaintext forgets a handled message's text, and keeps that it was handled.
func (s *fencedStore) ClearBufferedEventPlaintext(ctx context.Context, hash [32]byte) error {
	_, err := s.put(ctx, "UPDATE whatsmeow_event_buffer SET plaintext = NULL FROM f WHERE our_jid = $4 AND ciphertext_hash = $5", s.JID, hash[:])
	return err
}

// RemovePreKey deletes a prekey that was used.
func (s *fencedStore) RemovePreKey(ctx context.Context, id uint32) error {
	_, err := s.put(ctx, "DELETE FROM whatsmeow_pre_keys WHERE jid = $4 AND key_id = $5 AND EXISTS (SELECT 1 FROM f)", s.JID, int64(id))
	return err
}

// GetOrGenPreKeys returns count prekeys that were not uploaded yet, and stores those that it
// has to make in one statement: at the first login they are 812.
func (s *fencedStore) GetOrGenPreKeys(ctx context.Context, count uint32) ([]*keys.PreKey, error) {
	s.preKeys.Lock()
	defer s.preKeys.Unlock()
	rows, err := s.store.db.Query(ctx, "SELECT key_id, key FROM whatsmeow_pre_keys WHERE jid = $1 AND uploaded = false ORDER BY key_id LIMIT $2", s.JID, count)
	scan := dbutil.ConvertRowFn[*keys.PreKey](func(row dbutil.Scannable) (*keys.PreKey, error) {
		var id uint32
		var private []byte
		if err := row.Scan(&id, &private); err != nil {
			return nil, err
		}
		if len(private) != 32 {
			return nil, fmt.Errorf("prekey %d has %d bytes: %w", id, len(private), ErrCorrupt)
		}
		return &keys.PreKey{KeyPair: *keys.NewKeyPairFromPrivateKey([32]byte(private)), KeyID: id}, nil
	})
	list, err := scan.NewRowIter(rows, err).AsList()
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	made, err := s.makePreKeys(ctx, int(count)-len(list), false)
	return append(list, made...), err
}

// GenOnePreKey makes one prekey that counts as uploaded: it goes out in a retry receipt.
func (s *fencedStore) GenOnePreKey(ctx context.Context) (*keys.PreKey, error) {
	s.preKeys.Lock()
	defer s.preKeys.Unlock()
	made, err := s.makePreKeys(ctx, 1, true)
	if err != nil {
		return nil, err
	}
	return made[0], nil
}

// makePreKeys makes and stores n prekeys in one statement. Holds preKeys.
func (s *fencedStore) makePreKeys(ctx context.Context, n int, uploaded bool) ([]*keys.PreKey, error) {
	if n <= 0 {
		return nil, nil
	}
	var last uint32
	err := s.store.db.QueryRow(ctx, "SELECT COALESCE(MAX(key_id), 0) FROM whatsmeow_pre_keys WHERE jid = $1", s.JID).Scan(&last)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	d := s.store.dialect
	made := make([]*keys.PreKey, n)
	var values strings.Builder
	args := []any{s.JID, uploaded}
	for i := range made {
		key := keys.NewPreKey(last + uint32(i) + 1)
		made[i] = key
		if i > 0 {
			values.WriteString(", ")
		}
		at := len(args) + 4
		fmt.Fprintf(&values, "(%s, %s)", d.bigint(at), d.blob(at+1))
		args = append(args, int64(key.KeyID), key.Priv[:])
	}
	stored, err := s.exec(ctx, "INSERT INTO whatsmeow_pre_keys (jid, key_id, key, uploaded) SELECT "+d.text(4)+
		", column1, column2, "+d.boolean(5)+" FROM f, (VALUES "+values.String()+") AS v", args...)
	if err != nil {
		return nil, err
	}
	if stored != int64(n) {
		return nil, s.fenced()
	}
	return made, nil
}
