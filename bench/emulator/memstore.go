package emulator

import (
	"context"
	"strings"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/util/keys"
)

// memStore holds a phone's Signal state in memory. With it a whatsmeow store.Device is a
// libsignal store. It has no lock of its own: phone.mu guards it. What a phone does not need
// is a no-op.
type memStore struct {
	*store.NoopStore
	identities map[string][32]byte
	sessions   map[string][]byte
	preKeys    map[uint32]*keys.PreKey
	senderKeys map[string][]byte
	lastPreKey uint32
}

func newMemStore() *memStore {
	return &memStore{
		NoopStore:  &store.NoopStore{},
		identities: make(map[string][32]byte),
		sessions:   make(map[string][]byte),
		preKeys:    make(map[uint32]*keys.PreKey),
		senderKeys: make(map[string][]byte),
	}
}

// newPhoneDevice is a fresh phone's Signal state.
func newPhoneDevice(registration uint32) *store.Device {
	m := newMemStore()
	identity := keys.NewKeyPair()
	d := &store.Device{
		NoiseKey:       keys.NewKeyPair(),
		IdentityKey:    identity,
		SignedPreKey:   identity.CreateSignedPreKey(1),
		RegistrationID: registration,
		LIDs:           m.NoopStore,
		Container:      m.NoopStore,
	}
	d.SetAllStores(m)
	return d
}

func (m *memStore) PutIdentity(_ context.Context, address string, key [32]byte) error {
	m.identities[address] = key
	return nil
}

func (m *memStore) DeleteIdentity(_ context.Context, address string) error {
	delete(m.identities, address)
	return nil
}

// IsTrustedIdentity: a phone takes a linked device's first key as its key for good. Their numbers are
// never given out twice, so another key is somebody else. A phone's own key changes when it is
// installed anew, and people are not asked before they are written to.
func (m *memStore) IsTrustedIdentity(_ context.Context, address string, key [32]byte) (bool, error) {
	known, ok := m.identities[address]
	return !ok || known == key || strings.HasSuffix(address, ":0"), nil
}

func (m *memStore) GetSession(_ context.Context, address string) ([]byte, error) {
	return m.sessions[address], nil
}

func (m *memStore) HasSession(_ context.Context, address string) (bool, error) {
	return m.sessions[address] != nil, nil
}

func (m *memStore) PutSession(_ context.Context, address string, session []byte) error {
	m.sessions[address] = session
	return nil
}

func (m *memStore) DeleteSession(_ context.Context, address string) error {
	delete(m.sessions, address)
	return nil
}

func (m *memStore) GenOnePreKey(context.Context) (*keys.PreKey, error) {
	m.lastPreKey++
	key := keys.NewPreKey(m.lastPreKey)
	m.preKeys[key.KeyID] = key
	return key, nil
}

func (m *memStore) GetPreKey(_ context.Context, id uint32) (*keys.PreKey, error) {
	return m.preKeys[id], nil
}

func (m *memStore) RemovePreKey(_ context.Context, id uint32) error {
	delete(m.preKeys, id)
	return nil
}

func (m *memStore) PutSenderKey(_ context.Context, group, user string, session []byte) error {
	m.senderKeys[group+"\x00"+user] = session
	return nil
}

func (m *memStore) GetSenderKey(_ context.Context, group, user string) ([]byte, error) {
	return m.senderKeys[group+"\x00"+user], nil
}

// preKeyNode writes a phone's key as the server's answers carry it.
func preKeyNode(key *keys.PreKey) node {
	if key.Signature == nil {
		return oneTimeKey{key.KeyID, *key.Pub}.node()
	}
	return signedKey{key.KeyID, *key.Pub, *key.Signature}.node()
}

func keyTypeNode() node { return node{Tag: "type", Content: []byte{ecc.DjbType}} }
