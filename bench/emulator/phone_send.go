package emulator

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"go.mau.fi/libsignal/ecc"
	signalidentity "go.mau.fi/libsignal/keys/identity"
	"go.mau.fi/libsignal/keys/prekey"
	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/libsignal/session"
	"go.mau.fi/libsignal/util/optional"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// maxSent is how many messages a phone can send again on a retry receipt.
const maxSent = 10_000

// letter is a message of a phone, to a person or to a group.
type letter struct {
	id      string
	to      types.JID // LID form
	target  *account  // of the two, who to is
	group   *group    //
	message *waE2E.Message
	kind    string // the stanza's type; empty is text
	edit    string // its attribute edit: what is done to another message
}

// What the attribute edit of a stanza says is done to another message (whatsmeow: types.EditAttribute).
const (
	editsText    = "1"
	revokesOwn   = "7"
	revokesOther = "8" // as an admin of the group
)

// stanza is the message's, without its ciphertexts.
func (l *letter) stanza() *node {
	n := &node{Tag: "message", Attrs: attrs{"id": l.id, "to": l.to, "type": orText(l.kind, "text")}}
	if l.edit != "" {
		n.Attrs["edit"] = l.edit
	}
	if l.group != nil {
		n.Attrs["addressing_mode"] = "lid"
	}
	return n
}

// share gives a ciphertext what goes for each of the message's: who cannot decrypt what changes
// another message shows nothing in its place.
func (l *letter) share(enc *node) {
	if l.kind == "reaction" || l.edit == editsText {
		enc.Attrs["decrypt-fail"] = "hide"
	}
}

// send encrypts a message for each device that it goes to, and hands it to the server.
func (p *phone) send(l letter) error {
	if l.group != nil {
		return p.sendGroup(l)
	}
	p.e.mu.Lock()
	targets := p.targetsLocked(l.target)
	p.e.mu.Unlock()
	if len(targets) == 0 {
		return fmt.Errorf("%w: phone %s has no linked device to write to", ErrConflict, p.account.number)
	}
	plain, err := proto.Marshal(l.message)
	if err != nil {
		return err
	}
	own, err := proto.Marshal(sentCopy(l.to, l.message))
	if err != nil {
		return err
	}
	content := func(j types.JID) []byte {
		if l.target != p.account && j.User == p.account.lid.User {
			return own
		}
		return plain
	}
	bundles := p.lockWithKeys(targets)
	parts, err := p.encryptEach(l, targets, bundles, content)
	if err == nil {
		p.remember(l)
	}
	p.mu.Unlock()
	if err != nil {
		return err
	}
	n := l.stanza()
	n.Content = []node{{Tag: "participants", Content: parts}}
	return p.hand(l, n)
}

// encryptEach makes each device's share of a message. The caller holds p.mu.
func (p *phone) encryptEach(
	l letter, targets []types.JID, bundles map[types.JID]*prekey.Bundle, content func(types.JID) []byte,
) ([]node, error) {
	parts := make([]node, 0, len(targets))
	for _, j := range targets {
		enc, err := p.encrypt(j, content(j), bundles[j])
		if err != nil {
			return nil, fmt.Errorf("encrypt for %s: %w", j, err)
		}
		l.share(enc)
		parts = append(parts, node{Tag: "to", Attrs: attrs{"jid": j}, Content: []node{*enc}})
	}
	return parts, nil
}

// hand gives a message to the server, whose refusal is an error.
func (p *phone) hand(l letter, n *node) error {
	if code := p.route(l.id, l.to, n); code != 0 {
		return fmt.Errorf("%w: the server refused the message with %d", ErrConflict, code)
	}
	return nil
}

// route gives a message to the server, which sees no ratchets of phones: those are its own.
func (p *phone) route(id string, to types.JID, n *node) int {
	p.e.mu.Lock()
	defer p.e.mu.Unlock()
	m := &routing{id: id, from: p.account.lid, sender: p.account, node: n, to: to}
	m.readLocked(p.e, func(types.JID, *node) {})
	return p.e.routeLocked(m)
}

// remember keeps a message for retries. The caller holds p.mu.
func (p *phone) remember(l letter) *sentMessage {
	if len(p.sent) >= maxSent {
		clear(p.sent)
	}
	kept := &sentMessage{letter: l}
	p.sent[l.id] = kept
	return kept
}

func sentCopy(to types.JID, message *waE2E.Message) *waE2E.Message {
	return &waE2E.Message{DeviceSentMessage: &waE2E.DeviceSentMessage{DestinationJID: proto.String(to.String()), Message: message}}
}

// lockWithKeys locks p.mu, and returns the keys of the devices that the phone has no session with. They
// are fetched before the lock is taken, as another phone's may be needed, and again where a session was
// lost meanwhile.
func (p *phone) lockWithKeys(targets []types.JID) map[types.JID]*prekey.Bundle {
	for {
		bundles := p.fetch(targets)
		p.mu.Lock()
		lost := slices.ContainsFunc(targets, func(j types.JID) bool {
			_, asked := bundles[j]
			return !asked && !p.hasSessionLocked(j)
		})
		if !lost {
			return bundles
		}
		p.mu.Unlock()
	}
}

func (p *phone) hasSessionLocked(with types.JID) bool {
	has, _ := p.store.Sessions.HasSession(context.Background(), with.SignalAddress().String())
	return has
}

// fetch gets the keys of the devices that the phone has no session with.
func (p *phone) fetch(targets []types.JID) map[types.JID]*prekey.Bundle {
	var fresh []types.JID
	p.mu.Lock()
	for _, j := range targets {
		if !p.hasSessionLocked(j) {
			fresh = append(fresh, j)
		}
	}
	p.mu.Unlock()
	bundles := make(map[types.JID]*prekey.Bundle, len(fresh))
	for _, j := range fresh {
		n := p.e.bundle(j)
		bundles[j], _ = readBundle(j, &n) // nil where none can be had
	}
	return bundles
}

// encrypt makes the ciphertext for one device; a bundle begins a new session. The caller
// holds p.mu.
func (p *phone) encrypt(to types.JID, plain []byte, bundle *prekey.Bundle) (*node, error) {
	ctx := context.Background()
	address := to.SignalAddress()
	builder := session.NewBuilderFromSignal(p.store, address, signal)
	if bundle != nil {
		if err := builder.ProcessBundle(ctx, bundle); err != nil {
			return nil, err
		}
	}
	message, err := session.NewCipher(builder, address).Encrypt(ctx, pad(plain))
	if err != nil {
		return nil, err
	}
	kind := "msg"
	if message.Type() == protocol.PREKEY_TYPE {
		kind = "pkmsg"
	}
	return &node{Tag: "enc", Attrs: attrs{"v": "2", "type": kind}, Content: message.Serialize()}, nil
}

// pad appends n bytes of value n, 1 to 15.
func pad(plain []byte) []byte {
	n := random(1)[0]&0xf | 1
	out := append(make([]byte, 0, len(plain)+int(n)), plain...)
	for range n {
		out = append(out, n)
	}
	return out
}

func unpad(padded []byte) ([]byte, error) {
	if len(padded) == 0 || int(padded[len(padded)-1]) > len(padded) || padded[len(padded)-1] == 0 {
		return nil, errors.New("bad padding")
	}
	return padded[:len(padded)-int(padded[len(padded)-1])], nil
}

// readBundle reads a device's keys from an answer of the key server, or from a retry receipt.
func readBundle(j types.JID, n *node) (*prekey.Bundle, error) {
	keys := n
	if inner, ok := child(n, "keys"); ok {
		keys = inner
	}
	registration, identity := childBytes(n, "registration"), childBytes(keys, "identity")
	skey, ok := child(keys, "skey")
	if !ok || len(registration) != 4 || len(identity) != 32 {
		return nil, errors.New("keys are missing")
	}
	signed, err := newSignedKey([32]byte(identity), childBytes(skey, "id"), childBytes(skey, "value"), childBytes(skey, "signature"))
	if err != nil {
		return nil, err
	}
	oneTimeID, oneTime := optional.NewEmptyUint32(), ecc.ECPublicKeyable(nil)
	if key, ok := child(keys, "key"); ok {
		id, value := childBytes(key, "id"), childBytes(key, "value")
		if len(id) != 3 || len(value) != 32 {
			return nil, errors.New("one-time key of wrong form")
		}
		oneTimeID, oneTime = optional.NewOptionalUint32(uint24(id)), ecc.NewDjbECPublicKey([32]byte(value))
	}
	return prekey.NewBundle(binary.BigEndian.Uint32(registration), uint32(j.Device), oneTimeID, signed.id, oneTime,
		ecc.NewDjbECPublicKey(signed.public), signed.signature, signalidentity.NewKey(ecc.NewDjbECPublicKey([32]byte(identity)))), nil
}
