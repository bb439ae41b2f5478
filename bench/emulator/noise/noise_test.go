package noise

import (
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"testing"
)

// That the handshake fits whatsmeow's is tested by the emulator, which whatsmeow drives; here
// is what a client of bad will sends.
func TestGarbageIsRefused(t *testing.T) {
	static, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	begin := func() *Handshake {
		h, err := Start([]byte("WA\x06\x03"))
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	for _, key := range [][]byte{nil, make([]byte, 31), make([]byte, 32)} { // none, short, of low order
		if _, _, _, err := begin().Answer(key, static, []byte("cert")); !errors.Is(err, ErrHandshake) {
			t.Errorf("client key of %d bytes: %v", len(key), err)
		}
	}
	h := begin()
	if _, _, _, err := h.Answer(static.PublicKey().Bytes(), static, []byte("cert")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.Finish(make([]byte, 48), make([]byte, 32)); !errors.Is(err, ErrHandshake) {
		t.Errorf("a forged finish: %v", err)
	}
}

func TestFramesAreInOrder(t *testing.T) {
	h, err := Start([]byte("WA\x06\x03"))
	if err != nil {
		t.Fatal(err)
	}
	_, send, err := h.Ciphers()
	if err != nil {
		t.Fatal(err)
	}
	_, receive, err := h.Ciphers()
	if err != nil {
		t.Fatal(err)
	}
	first, second := send.Seal(nil, []byte("uno")), send.Seal(nil, []byte("dos"))
	if _, err := receive.Open(second); err == nil {
		t.Fatal("the second frame was taken for the first")
	}
	for i, frame := range [][]byte{first, second} {
		if plain, err := receive.Open(frame); err != nil || string(plain) != []string{"uno", "dos"}[i] {
			t.Fatal(i, err)
		}
	}
	if _, err := receive.Open(second); err == nil {
		t.Fatal("a frame was taken twice")
	}
}
