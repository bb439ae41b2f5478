package store

import (
	"context"

	wastore "go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/util/keys"
)

// What whatsmeow reads, as its own store reads it: within the time that a database has to answer, and
// with failures told (failure.go).

func (s *fencedStore) HasSession(ctx context.Context, address string) (bool, error) {
	return get(ctx, s.guard, func(ctx context.Context) (bool, error) { return s.SQLStore.HasSession(ctx, address) })
}

func (s *fencedStore) GetPreKey(ctx context.Context, id uint32) (*keys.PreKey, error) {
	return get(ctx, s.guard, func(ctx context.Context) (*keys.PreKey, error) { return s.SQLStore.GetPreKey(ctx, id) })
}

func (s *fencedStore) UploadedPreKeyCount(ctx context.Context) (int, error) {
	if counted := s.uploaded.Swap(0); counted > 0 {
		return int(counted) - 1, nil
	}
	return get(ctx, s.guard, s.SQLStore.UploadedPreKeyCount)
}

func (s *fencedStore) GetSenderKey(ctx context.Context, group, user string) ([]byte, error) {
	return get(ctx, s.guard, func(ctx context.Context) ([]byte, error) { return s.SQLStore.GetSenderKey(ctx, group, user) })
}

func (s *fencedStore) GetAppStateSyncKey(ctx context.Context, id []byte) (*wastore.AppStateSyncKey, error) {
	return get(ctx, s.guard, func(ctx context.Context) (*wastore.AppStateSyncKey, error) {
		return s.SQLStore.GetAppStateSyncKey(ctx, id)
	})
}

func (s *fencedStore) GetLatestAppStateSyncKeyID(ctx context.Context) ([]byte, error) {
	return get(ctx, s.guard, s.SQLStore.GetLatestAppStateSyncKeyID)
}

func (s *fencedStore) GetAllAppStateSyncKeys(ctx context.Context) ([]*wastore.AppStateSyncKey, error) {
	return get(ctx, s.guard, s.SQLStore.GetAllAppStateSyncKeys)
}

func (s *fencedStore) GetAppStateVersion(ctx context.Context, name string) (version uint64, hash [128]byte, err error) {
	version, err = get(ctx, s.guard, func(ctx context.Context) (version uint64, err error) {
		version, hash, err = s.SQLStore.GetAppStateVersion(ctx, name)
		return version, err
	})
	return version, hash, err
}

func (s *fencedStore) GetAppStateMutationMAC(ctx context.Context, name string, indexMAC []byte) ([]byte, error) {
	return get(ctx, s.guard, func(ctx context.Context) ([]byte, error) {
		return s.SQLStore.GetAppStateMutationMAC(ctx, name, indexMAC)
	})
}

func (s *fencedStore) GetChatSettings(ctx context.Context, chat types.JID) (types.LocalChatSettings, error) {
	return get(ctx, s.guard, func(ctx context.Context) (types.LocalChatSettings, error) {
		return s.SQLStore.GetChatSettings(ctx, chat)
	})
}

func (s *fencedStore) GetMessageSecret(ctx context.Context, chat, sender types.JID, id types.MessageID) (secret []byte, realSender types.JID, err error) {
	secret, err = get(ctx, s.guard, func(ctx context.Context) (secret []byte, err error) {
		secret, realSender, err = s.SQLStore.GetMessageSecret(ctx, chat, sender, id)
		return secret, err
	})
	return secret, realSender, err
}

// GetPrivacyToken is asked for with each message to a person, at the latest after it was encrypted and
// before it leaves. The owner knows what it has stored.
func (s *fencedStore) GetPrivacyToken(ctx context.Context, user types.JID) (*wastore.PrivacyToken, error) {
	if sending := sendingOf(ctx); sending != nil {
		sending.check()
	}
	if token, ok := s.tokens.get(user.ToNonAD()); ok {
		return token, s.check()
	}
	era := s.tokens.present()
	token, err := get(ctx, s.guard, func(ctx context.Context) (*wastore.PrivacyToken, error) { return s.SQLStore.GetPrivacyToken(ctx, user) })
	if err == nil {
		s.tokens.putRead(era, user.ToNonAD(), token)
	}
	return token, err
}

// GetNCTSalt is asked for with each send that has no privacy token.
func (s *fencedStore) GetNCTSalt(ctx context.Context) ([]byte, error) {
	if salt, ok := s.salt.get(struct{}{}); ok {
		return *salt, s.check()
	}
	era := s.salt.present()
	salt, err := get(ctx, s.guard, s.SQLStore.GetNCTSalt)
	if err == nil {
		s.salt.putRead(era, struct{}{}, &salt)
	}
	return salt, err
}

func (s *fencedStore) GetBufferedEvent(ctx context.Context, hash [32]byte) (*wastore.BufferedEvent, error) {
	return get(ctx, s.guard, func(ctx context.Context) (*wastore.BufferedEvent, error) {
		return s.SQLStore.GetBufferedEvent(ctx, hash)
	})
}

func (s *fencedStore) GetOutgoingEvent(ctx context.Context, chat, altChat types.JID, id types.MessageID) (format string, plaintext []byte, err error) {
	plaintext, err = get(ctx, s.guard, func(ctx context.Context) (plaintext []byte, err error) {
		format, plaintext, err = s.SQLStore.GetOutgoingEvent(ctx, chat, altChat, id)
		return plaintext, err
	})
	return format, plaintext, err
}
