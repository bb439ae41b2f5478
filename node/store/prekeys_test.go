package store

import (
	"testing"

	"go.mau.fi/whatsmeow/util/keys"
	"pgregory.net/rapid"
)

func TestPairsOf(t *testing.T) {
	key := rapid.Custom(func(t *rapid.T) [32]byte {
		return [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "private"))
	})
	rapid.Check(t, func(t *rapid.T) {
		private := rapid.SliceOfN(key, 0, 5).Draw(t, "keys")
		ours := pairsOf(private)
		if len(ours) != len(private) {
			t.Fatalf("%d pairs of %d keys", len(ours), len(private))
		}
		for i := range private {
			theirs, unclamped := keys.NewKeyPairFromPrivateKey(*ours[i].Priv), keys.NewKeyPairFromPrivateKey(private[i])
			if *ours[i].Pub != *theirs.Pub || *ours[i].Pub != *unclamped.Pub {
				t.Fatalf("public key %x, whatsmeow's is %x", *ours[i].Pub, *theirs.Pub)
			}
			if p := ours[i].Priv; p[0]&7 != 0 || p[31]&192 != 64 {
				t.Fatalf("key %x is not clamped", *p)
			}
		}
	})
}

func TestNewPairs(t *testing.T) {
	seen := map[[32]byte]bool{}
	for _, pair := range newPairs(100) {
		if theirs := keys.NewKeyPairFromPrivateKey(*pair.Priv); *theirs.Pub != *pair.Pub {
			t.Fatalf("public key %x, whatsmeow's is %x", *pair.Pub, *theirs.Pub)
		}
		seen[*pair.Priv] = true
	}
	if len(seen) != 100 {
		t.Errorf("%d of 100 pairs differ", len(seen))
	}
}
