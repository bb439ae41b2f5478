package store

import (
	"context"

	"go.mau.fi/whatsmeow/types"
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
	return aside(err)
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
