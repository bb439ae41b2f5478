package store

import (
	"bytes"
	"testing"

	"go.mau.fi/whatsmeow/util/keys"
	"pgregory.net/rapid"
)

func TestPairOf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		private := [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "private"))
		ours := pairOf(private)
		theirs := keys.NewKeyPairFromPrivateKey(*ours.Priv)
		if *ours.Pub != *theirs.Pub {
			t.Fatalf("public key %x, whatsmeow's is %x", *ours.Pub, *theirs.Pub)
		}
		if unclamped := keys.NewKeyPairFromPrivateKey(private); *unclamped.Pub != *ours.Pub {
			t.Fatalf("clamping changed the key: %x", *ours.Priv)
		}
	})
	if a, b := newPair(), newPair(); bytes.Equal(a.Priv[:], b.Priv[:]) {
		t.Error("two new pairs are the same")
	}
}
