package store

import (
	"context"
	"fmt"

	"filippo.io/edwards25519"
	"filippo.io/edwards25519/field"
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
		return &keys.PreKey{KeyPair: pairsOf([][32]byte{[32]byte(private)})[0], KeyID: id}, nil
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
	made := make([]*keys.PreKey, n)
	private := make([]byte, 0, 32*n) // one value, which the database cuts up: it takes 1,624 parameters slowly
	for i, pair := range newPairs(n) {
		made[i] = &keys.PreKey{KeyPair: pair, KeyID: last + uint32(i) + 1}
		private = append(private, made[i].Priv[:]...)
	}
	d := s.store.dialect
	stored, err := s.exec(ctx, "INSERT INTO whatsmeow_pre_keys (jid, key_id, key, uploaded) SELECT "+d.text(4)+", "+d.bigint(5)+" + i, substr("+
		d.blob(6)+", 32 * i + 1, 32), "+d.boolean(7)+` FROM f, (
			WITH RECURSIVE numbers (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM numbers WHERE i + 1 < `+d.bigint(8)+`) SELECT i FROM numbers) AS numbers`,
		s.JID, int64(last)+1, private, uploaded, n)
	if err != nil {
		return nil, err
	}
	if stored != int64(n) {
		return nil, s.fenced()
	}
	return made, nil
}

// newPairs makes n key pairs as keys.NewKeyPair does, at a third of its cost.
func newPairs(n int) []keys.KeyPair {
	private := make([][32]byte, n)
	for i := range private {
		private[i] = [32]byte(random.Bytes(32))
	}
	return pairsOf(private)
}

// pairsOf are the X25519 key pairs of private keys, which it clamps (RFC 7748, section 5). A public
// key, a multiple of the base point, is worked out on the birationally equivalent Edwards curve
// (section 4.1), where the library has a table of the base point's multiples and needs no ladder. It is
// u = (Z + Y) / (Z - Y), and all divisors are inverted at once by Montgomery's trick: the
// inverse of their product, times the product of the others.
func pairsOf(private [][32]byte) []keys.KeyPair {
	pairs := make([]keys.KeyPair, len(private))
	over, under, before := make([]field.Element, len(private)), make([]field.Element, len(private)), make([]field.Element, len(private))
	product := new(field.Element).One()
	for i := range private {
		key := private[i]
		key[0] &= 248
		key[31] = key[31]&127 | 64
		scalar, err := edwards25519.NewScalar().SetBytesWithClamping(key[:])
		if err != nil {
			panic(err) // the length is wrong, which it is not
		}
		_, y, z, _ := new(edwards25519.Point).ScalarBaseMult(scalar).ExtendedCoordinates()
		over[i].Add(z, y)
		under[i].Subtract(z, y) // 0 for the neutral element alone, which no clamped scalar gives
		before[i].Set(product)
		product.Multiply(product, &under[i])
		pairs[i].Priv = &key
	}
	inverse := new(field.Element).Invert(product)
	for i := len(private) - 1; i >= 0; i-- {
		u := before[i].Multiply(&before[i], inverse)
		inverse.Multiply(inverse, &under[i])
		public := [32]byte(u.Multiply(u, &over[i]).Bytes())
		pairs[i].Pub = &public
	}
	return pairs
}
