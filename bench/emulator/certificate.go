package emulator

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"time"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/whatsmeow/proto/waCert"
	"go.mau.fi/whatsmeow/util/keys"
	"google.golang.org/protobuf/proto"
)

// identity is the server's own: the root key that clients are told to trust, the static key
// of its handshakes and the certificate chain between the two.
type identity struct {
	root   *keys.KeyPair
	static *ecdh.PrivateKey
	chain  []byte
}

// Serial numbers as the real chain has them: the root is 0 (whatsmeow.WACertIssuerSerial).
const (
	rootSerial uint32 = iota
	intermediateSerial
	leafSerial
)

// newIdentity makes the server's identity. The same seed gives the same root key, so that a
// restarted emulator is trusted by clients that were told of the first; nil is a random one.
func newIdentity(seed []byte, now time.Time) (*identity, error) {
	id := &identity{root: keys.NewKeyPair()}
	if len(seed) > 0 {
		id.root = keys.NewKeyPairFromPrivateKey(clamp(sha256.Sum256(seed)))
	}
	var err error
	if id.static, err = ecdh.X25519().GenerateKey(rand.Reader); err != nil {
		return nil, err
	}
	middle := keys.NewKeyPair()
	intermediate, err := signed(id.root, intermediateSerial, rootSerial, middle.Pub[:], now)
	if err != nil {
		return nil, err
	}
	leaf, err := signed(middle, leafSerial, intermediateSerial, id.static.PublicKey().Bytes(), now)
	if err != nil {
		return nil, err
	}
	id.chain, err = proto.Marshal(&waCert.CertChain{Leaf: leaf, Intermediate: intermediate})
	return id, err
}

func signed(issuer *keys.KeyPair, serial, issuerSerial uint32, key []byte, now time.Time) (*waCert.CertChain_NoiseCertificate, error) {
	details, err := proto.Marshal(&waCert.CertChain_NoiseCertificate_Details{
		Serial:       proto.Uint32(serial),
		IssuerSerial: proto.Uint32(issuerSerial),
		Key:          key,
		NotBefore:    proto.Uint64(uint64(now.Add(-24 * time.Hour).Unix())),
		NotAfter:     proto.Uint64(uint64(now.AddDate(1, 0, 0).Unix())),
	})
	if err != nil {
		return nil, fmt.Errorf("certificate %d: %w", serial, err)
	}
	signature := ecc.CalculateSignature(ecc.NewDjbECPrivateKey(*issuer.Priv), details)
	return &waCert.CertChain_NoiseCertificate{Details: details, Signature: signature[:]}, nil
}

// clamp makes any 32 bytes a Curve25519 private key.
func clamp(key [32]byte) [32]byte {
	key[0] &= 248
	key[31] &= 127
	key[31] |= 64
	return key
}
