package noise

import (
	"crypto/ecdh"
	"errors"
	"fmt"
)

// ErrOtherKey says that a client's first message by IK was meant for another static key than the
// server's, or was tampered with; both look the same. The server goes on with StartFallback.
var ErrOtherKey = errors.New("the client knows another static key of the server")

// HelloIK is a client's first message by IK: the last two parts are encrypted.
type HelloIK struct {
	Ephemeral, Static, Payload []byte
}

// AnswerIK is what the server makes of a HelloIK.
type AnswerIK struct {
	Ephemeral, Certificate []byte   // of ServerHello, which has no static key; the certificate is encrypted
	Static                 [32]byte // the client's key, by which a login is authenticated
	Payload                []byte   // decrypted
}

// StartIK begins a handshake by IK on a connection that opened with header. The client's message
// follows by Respond.
func StartIK(header []byte) (*Handshake, error) { return start(nameIK, header) }

// StartFallback begins anew by XX where IK has failed, on the same connection: Answer takes the same
// ephemeral key of the client, and Finish follows as by XX.
func StartFallback(header []byte) (*Handshake, error) { return start(nameFallback, header) }

// Respond reads the client's message and completes the handshake: Ciphers may follow. The error is
// ErrOtherKey where the message does not open with the server's static key.
func (h *Handshake) Respond(hello HelloIK, static *ecdh.PrivateKey, certificate []byte) (AnswerIK, error) {
	var out AnswerIK
	peer, err := ecdh.X25519().NewPublicKey(hello.Ephemeral)
	if err != nil {
		return out, fmt.Errorf("%w: client ephemeral: %w", ErrHandshake, err)
	}
	h.authenticate(static.PublicKey().Bytes())
	h.authenticate(hello.Ephemeral)
	if err = h.mix(static, peer); err != nil { // es
		return out, err
	}
	raw, err := h.open(hello.Static)
	if err != nil {
		return out, fmt.Errorf("%w: %w", ErrOtherKey, err)
	}
	peerStatic, err := ecdh.X25519().NewPublicKey(raw)
	if err != nil {
		return out, fmt.Errorf("%w: client static key: %w", ErrHandshake, err)
	}
	if err = h.mix(static, peerStatic); err != nil { // ss
		return out, err
	}
	if out.Payload, err = h.open(hello.Payload); err != nil {
		return out, fmt.Errorf("%w: client payload: %w", ErrHandshake, err)
	}
	copy(out.Static[:], raw)
	out.Ephemeral = h.ephemeral.PublicKey().Bytes()
	h.authenticate(out.Ephemeral)
	if err = h.mix(h.ephemeral, peer); err != nil { // ee
		return out, err
	}
	if err = h.mix(h.ephemeral, peerStatic); err != nil { // se
		return out, err
	}
	out.Certificate = h.seal(certificate)
	return out, nil
}
