package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	wastore "go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
)

// whatsmeow asks for what the first message to somebody needs one thing after the other: ratchets, the identity
// key of each device, a privacy token, a salt. Where the database is far away each costs a round trip, or two where
// a connection has not prepared the statement yet. So when it asks for the ratchets, all of it is read at once.

// maxPrefetch is for how many devices: a person's and one's own, not those of a group.
const maxPrefetch = 16

// prefetch returns the ratchets of addresses, and remembers what a message to them needs besides. The caller has the turn.
func (s *fencedStore) prefetch(ctx context.Context, addresses []string) (map[string][]byte, error) {
	identities, tokens, salts := s.identities.present(), s.tokens.present(), s.salt.present()
	users := s.usersOf(addresses)
	args := []any{s.JID}
	place := func(texts ...string) string {
		list := make([]string, len(texts))
		for i, text := range texts {
			args = append(args, text)
			list[i] = s.store.dialect.text(len(args))
		}
		return strings.Join(list, ", ")
	}
	devices := place(addresses...)
	query := "SELECT 's', their_id, session, 0, 0 FROM whatsmeow_sessions WHERE our_jid = $1 AND their_id IN (" + devices + ")" +
		" UNION ALL SELECT 'i', their_id, identity, 0, 0 FROM whatsmeow_identity_keys WHERE our_jid = $1 AND their_id IN (" + devices + ")" +
		" UNION ALL SELECT 'n', '', salt, 0, 0 FROM whatsmeow_nct_salt WHERE our_jid = $1"
	if len(users) > 0 {
		var forms []string
		for lid, pn := range users {
			forms = append(forms, lid.String(), pn.String())
		}
		query += " UNION ALL SELECT 't', their_jid, token, timestamp, sender_timestamp FROM whatsmeow_privacy_tokens" +
			" WHERE our_jid = $1 AND their_jid IN (" + place(forms...) + ")"
	}
	read, err := get(ctx, s.guard, func(ctx context.Context) (*prefetched, error) {
		rows, err := s.store.db.Query(typed(ctx), query, args...)
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		p := &prefetched{sessions: map[string][]byte{}, identities: map[string][]byte{}, tokens: map[string]*wastore.PrivacyToken{}}
		for rows.Next() {
			if err := p.scan(rows.Scan); err != nil {
				return nil, err
			}
		}
		return p, rows.Err()
	})
	if err != nil {
		return nil, err
	}
	for address, key := range read.identities {
		if len(key) == 32 {
			s.identities.putRead(identities, address, [32]byte(key))
		}
	}
	for lid, pn := range users {
		token := newer(read.tokens[lid.String()], read.tokens[pn.String()])
		for _, user := range []types.JID{lid, pn} {
			s.tokens.putRead(tokens, user, named(token, user))
		}
	}
	s.salt.putRead(salts, struct{}{}, &read.salt)
	return read.sessions, nil
}

// usersOf are the people whose devices these are, by LID, with the phone number that is known to be theirs: a
// privacy token may be stored under either.
func (s *fencedStore) usersOf(addresses []string) map[types.JID]types.JID {
	users := make(map[types.JID]types.JID)
	for _, address := range addresses {
		user, _, _ := strings.Cut(address, ":")
		lid, isLID := strings.CutSuffix(user, "_1") // types.JID.SignalAddressUser
		if !isLID {
			continue
		}
		if pn, known := s.lids.pns.get(lid); known {
			users[types.NewJID(lid, types.HiddenUserServer)] = types.NewJID(pn, types.DefaultUserServer)
		}
	}
	return users
}

// prefetched is what one query has found.
type prefetched struct {
	sessions, identities map[string][]byte
	tokens               map[string]*wastore.PrivacyToken // by JID
	salt                 []byte
}

func (p *prefetched) scan(scan func(...any) error) error {
	var kind, key string
	var value []byte
	var at, senderAt sql.NullInt64
	if err := scan(&kind, &key, &value, &at, &senderAt); err != nil {
		return err
	}
	switch kind {
	case "s":
		p.sessions[key] = value
	case "i":
		p.identities[key] = value
	case "n":
		p.salt = value
	case "t":
		token := &wastore.PrivacyToken{Token: value, Timestamp: time.Unix(at.Int64, 0)}
		if senderAt.Valid {
			token.SenderTimestamp = time.Unix(senderAt.Int64, 0)
		}
		p.tokens[key] = token
	default:
		return fmt.Errorf("a row of kind %q", kind)
	}
	return nil
}

// newer is the token that counts of two.
func newer(a, b *wastore.PrivacyToken) *wastore.PrivacyToken {
	if a == nil || b != nil && b.Timestamp.After(a.Timestamp) {
		return b
	}
	return a
}

// named is a token as whatsmeow has it that asks for a user's; nil: there is none.
func named(token *wastore.PrivacyToken, user types.JID) *wastore.PrivacyToken {
	if token == nil {
		return nil
	}
	own := *token
	own.User = user
	return &own
}
