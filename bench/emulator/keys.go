package emulator

import (
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/whatsmeow/proto/waWa6"
)

// deviceKeys is a linked device's public Signal keys, as the server hands them out.
type deviceKeys struct {
	registration uint32
	identity     [32]byte
	signed       signedKey
	oneTime      []oneTimeKey // in order of upload; each is handed out once
}

type signedKey struct {
	id        uint32 // 24 bits
	public    [32]byte
	signature [64]byte
}

type oneTimeKey struct {
	id     uint32 // 24 bits
	public [32]byte
}

func keysOfRegistration(reg *waWa6.ClientPayload_DevicePairingRegistrationData) (deviceKeys, error) {
	var k deviceKeys
	if len(reg.GetERegid()) != 4 || len(reg.GetEIdent()) != 32 {
		return k, errors.New("registration ID or identity key of wrong length")
	}
	k.registration = binary.BigEndian.Uint32(reg.GetERegid())
	k.identity = [32]byte(reg.GetEIdent())
	var err error
	k.signed, err = newSignedKey(k.identity, reg.GetESkeyID(), reg.GetESkeyVal(), reg.GetESkeySig())
	return k, err
}

func newSignedKey(identity [32]byte, id, public, signature []byte) (signedKey, error) {
	if len(id) != 3 || len(public) != 32 || len(signature) != 64 {
		return signedKey{}, errors.New("signed prekey of wrong length")
	}
	k := signedKey{id: uint24(id), public: [32]byte(public), signature: [64]byte(signature)}
	message := append([]byte{ecc.DjbType}, public...)
	if !ecc.VerifySignature(ecc.NewDjbECPublicKey(identity), message, k.signature) {
		return signedKey{}, errors.New("the signed prekey's signature does not verify")
	}
	return k, nil
}

// upload takes a key upload: `encrypt set` with <registration>. It replaces the signed key
// and adds the one-time keys.
func (k *deviceKeys) upload(iq *node) error {
	registration, identity := childBytes(iq, "registration"), childBytes(iq, "identity")
	if len(registration) != 4 || len(identity) != 32 {
		return errors.New("registration ID or identity key of wrong length")
	}
	if [32]byte(identity) != k.identity {
		return errors.New("another identity key than at pairing")
	}
	skey, ok := child(iq, "skey")
	if !ok {
		return errors.New("no skey")
	}
	signed, err := newSignedKey(k.identity, childBytes(skey, "id"), childBytes(skey, "value"), childBytes(skey, "signature"))
	if err != nil {
		return err
	}
	list, _ := child(iq, "list")
	if list == nil {
		return errors.New("no list of one-time keys")
	}
	known := make(map[uint32]bool, len(k.oneTime))
	for _, key := range k.oneTime {
		known[key.id] = true
	}
	var added []oneTimeKey
	for _, n := range list.GetChildren() {
		id, value := childBytes(&n, "id"), childBytes(&n, "value")
		if n.Tag != "key" || len(id) != 3 || len(value) != 32 {
			return fmt.Errorf("one-time key %d of wrong form", len(added)+1)
		}
		if !known[uint24(id)] {
			added = append(added, oneTimeKey{uint24(id), [32]byte(value)})
		}
	}
	k.registration = binary.BigEndian.Uint32(registration)
	k.signed = signed
	k.oneTime = append(k.oneTime, added...)
	return nil
}

// lasting is what all who begin a session with the device get.
func (k *deviceKeys) lasting() []node {
	return []node{
		{Tag: "registration", Content: binary.BigEndian.AppendUint32(nil, k.registration)},
		{Tag: "type", Content: []byte{ecc.DjbType}},
		{Tag: "identity", Content: k.identity[:]},
		k.signed.node(),
	}
}

// take hands out one one-time key, the oldest first.
func (k *deviceKeys) take() (oneTimeKey, bool) {
	if len(k.oneTime) == 0 {
		return oneTimeKey{}, false
	}
	key := k.oneTime[0]
	k.oneTime = k.oneTime[1:]
	return key, true
}

// digest answers `encrypt get <digest/>`: what the client should find unchanged.
func (k *deviceKeys) digest() node {
	ids := make([]node, len(k.oneTime))
	sum := sha1.New()
	sum.Write(k.identity[:])
	sum.Write(k.signed.public[:])
	sum.Write(k.signed.signature[:])
	for i, key := range k.oneTime {
		ids[i] = node{Tag: "id", Content: bytes24(key.id)}
		sum.Write(key.public[:])
	}
	return node{Tag: "digest", Content: []node{
		{Tag: "registration", Content: binary.BigEndian.AppendUint32(nil, k.registration)},
		{Tag: "type", Content: []byte{ecc.DjbType}},
		{Tag: "identity", Content: k.identity[:]},
		k.signed.node(),
		{Tag: "list", Content: ids},
		{Tag: "hash", Content: sum.Sum(nil)},
	}}
}

func (k signedKey) node() node {
	return node{Tag: "skey", Content: []node{
		{Tag: "id", Content: bytes24(k.id)},
		{Tag: "value", Content: k.public[:]},
		{Tag: "signature", Content: k.signature[:]},
	}}
}

func (k oneTimeKey) node() node {
	return node{Tag: "key", Content: []node{{Tag: "id", Content: bytes24(k.id)}, {Tag: "value", Content: k.public[:]}}}
}

func uint24(b []byte) uint32  { return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]) }
func bytes24(i uint32) []byte { return []byte{byte(i >> 16), byte(i >> 8), byte(i)} }
