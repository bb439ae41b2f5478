package store

import (
	"context"
	"fmt"
	"strings"

	"filippo.io/edwards25519"
	"go.mau.fi/util/dbutil"
	"go.mau.fi/util/random"
	"go.mau.fi/whatsmeow/util/keys"
)

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
		return &keys.PreKey{KeyPair: *pairOf([32]byte(private)), KeyID: id}, nil
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
		key := &keys.PreKey{KeyPair: *newPair(), KeyID: last + uint32(i) + 1}
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

// newPair is keys.NewKeyPair at less than half the cost.
func newPair() *keys.KeyPair { return pairOf([32]byte(random.Bytes(32))) }

// pairOf is the X25519 key pair of a private key, which it clamps (RFC 7748, section 5). The public
// key, a multiple of the base point, is worked out on the birationally equivalent Edwards curve
// (section 4.1): there the library has a table of the base point's multiples, and needs no ladder.
func pairOf(private [32]byte) *keys.KeyPair {
	private[0] &= 248
	private[31] = private[31]&127 | 64
	scalar, err := edwards25519.NewScalar().SetBytesWithClamping(private[:])
	if err != nil {
		panic(err) // the length is wrong, which it is not
	}
	public := [32]byte(new(edwards25519.Point).ScalarBaseMult(scalar).BytesMontgomery())
	return &keys.KeyPair{Pub: &public, Priv: &private}
}
