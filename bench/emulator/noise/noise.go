// Package noise is the server's half of WhatsApp's handshakes, and the cipher of the frames that
// follow them. It does no I/O: the caller carries the messages. whatsmeow's own implementation
// cannot be used for this half, since its order of keys and messages is fixed for the client.
//
// A client that does not know the server's static key begins with XX (noise.go). One that kept the
// key of an earlier connection begins with IK, and falls back to XX where the server has another
// one by now (ik.go).
package noise

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// Names of the handshakes, which each begins its hash with.
const (
	nameXX       = "Noise_XX_25519_AESGCM_SHA256"
	nameIK       = "Noise_IK_25519_AESGCM_SHA256"
	nameFallback = "Noise_XXfallback_25519_AESGCM_SHA256"
)

// ErrHandshake: the peer's message does not fit the handshake.
var ErrHandshake = errors.New("noise handshake")

// Handshake is one handshake in progress. It is not safe for concurrent use.
type Handshake struct {
	hash, salt []byte
	aead       cipher.AEAD
	counter    uint32
	ephemeral  *ecdh.PrivateKey
}

// Start begins a handshake by XX on a connection that opened with header (four bytes).
func Start(header []byte) (*Handshake, error) { return start(nameXX, header) }

func start(name string, header []byte) (*Handshake, error) {
	first := firstHash(name)
	h := &Handshake{hash: first, salt: first}
	aead, err := newAEAD(h.hash)
	if err != nil {
		return nil, err
	}
	h.aead = aead
	h.authenticate(header)
	h.ephemeral, err = ecdh.X25519().GenerateKey(rand.Reader)
	return h, err
}

// firstHash is a handshake's name filled up to the length of a hash, or its hash where it is longer.
func firstHash(name string) []byte {
	if len(name) > sha256.Size {
		sum := sha256.Sum256([]byte(name))
		return sum[:]
	}
	return append([]byte(name), make([]byte, sha256.Size-len(name))...)
}

// Answer takes the client's ephemeral key (32 bytes) and returns the three parts of
// ServerHello: the server's ephemeral key, its static key and its certificate, the last two
// encrypted.
func (h *Handshake) Answer(client []byte, static *ecdh.PrivateKey, certificate []byte) (ephemeral, encStatic, encCertificate []byte, err error) {
	peer, err := ecdh.X25519().NewPublicKey(client)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%w: client ephemeral: %w", ErrHandshake, err)
	}
	h.authenticate(client)
	ephemeral = h.ephemeral.PublicKey().Bytes()
	h.authenticate(ephemeral)
	if err = h.mix(h.ephemeral, peer); err != nil {
		return nil, nil, nil, err
	}
	encStatic = h.seal(static.PublicKey().Bytes())
	if err = h.mix(static, peer); err != nil {
		return nil, nil, nil, err
	}
	return ephemeral, encStatic, h.seal(certificate), nil
}

// Finish takes both parts of ClientFinish and returns the client's static key, by which a
// login is authenticated, and its decrypted payload.
func (h *Handshake) Finish(encStatic, encPayload []byte) (static [32]byte, payload []byte, err error) {
	raw, err := h.open(encStatic)
	if err != nil {
		return static, nil, fmt.Errorf("%w: client static key: %w", ErrHandshake, err)
	}
	peer, err := ecdh.X25519().NewPublicKey(raw)
	if err != nil {
		return static, nil, fmt.Errorf("%w: client static key: %w", ErrHandshake, err)
	}
	if err = h.mix(h.ephemeral, peer); err != nil {
		return static, nil, err
	}
	if payload, err = h.open(encPayload); err != nil {
		return static, nil, fmt.Errorf("%w: client payload: %w", ErrHandshake, err)
	}
	copy(static[:], raw)
	return static, payload, nil
}

// Ciphers returns the frame ciphers, client to server and server to client.
func (h *Handshake) Ciphers() (receive, send *Cipher, err error) {
	first, second, err := expand(nil, h.salt)
	if err != nil {
		return nil, nil, err
	}
	in, err := newAEAD(first)
	if err != nil {
		return nil, nil, err
	}
	out, err := newAEAD(second)
	if err != nil {
		return nil, nil, err
	}
	return &Cipher{aead: in}, &Cipher{aead: out}, nil
}

func (h *Handshake) authenticate(data []byte) {
	sum := sha256.New()
	sum.Write(h.hash)
	sum.Write(data)
	h.hash = sum.Sum(nil)
}

func (h *Handshake) seal(plain []byte) []byte {
	out := h.aead.Seal(nil, nonce(h.counter), plain, h.hash)
	h.counter++
	h.authenticate(out)
	return out
}

func (h *Handshake) open(sealed []byte) ([]byte, error) {
	out, err := h.aead.Open(nil, nonce(h.counter), sealed, h.hash)
	if err != nil {
		return nil, err
	}
	h.counter++
	h.authenticate(sealed)
	return out, nil
}

func (h *Handshake) mix(private *ecdh.PrivateKey, public *ecdh.PublicKey) error {
	secret, err := private.ECDH(public)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	salt, key, err := expand(secret, h.salt)
	if err != nil {
		return err
	}
	h.salt, h.counter = salt, 0
	h.aead, err = newAEAD(key)
	return err
}

// Cipher encrypts or decrypts the frames of one direction, in order. It is not safe for
// concurrent use.
type Cipher struct {
	aead    cipher.AEAD
	counter uint32
}

// Seal appends the encrypted frame to dst.
func (c *Cipher) Seal(dst, plain []byte) []byte {
	out := c.aead.Seal(dst, nonce(c.counter), plain, nil)
	c.counter++
	return out
}

// Open decrypts the next frame.
func (c *Cipher) Open(sealed []byte) ([]byte, error) {
	out, err := c.aead.Open(nil, nonce(c.counter), sealed, nil)
	if err != nil {
		return nil, fmt.Errorf("frame %d: %w", c.counter, err)
	}
	c.counter++
	return out, nil
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func expand(secret, salt []byte) (first, second []byte, err error) {
	out, err := hkdf.Key(sha256.New, secret, salt, "", 64)
	if err != nil {
		return nil, nil, err
	}
	return out[:32], out[32:], nil
}

func nonce(n uint32) []byte {
	iv := make([]byte, 12)
	binary.BigEndian.PutUint32(iv[8:], n)
	return iv
}
