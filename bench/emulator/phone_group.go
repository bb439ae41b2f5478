package emulator

import (
	"context"
	"fmt"
	"slices"

	"go.mau.fi/libsignal/groups"
	"go.mau.fi/libsignal/keys/prekey"
	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// sendGroup sends a message to a group: encrypted once with the phone's sender key, which every
// device of the group gets with it.
func (p *phone) sendGroup(l letter) error {
	targets := p.groupTargets(l.group)
	if len(targets) == 0 {
		return fmt.Errorf("%w: group %s has no device but phone %s", ErrConflict, l.to, p.account.number)
	}
	plain, err := proto.Marshal(l.message)
	if err != nil {
		return err
	}
	bundles := p.lockWithKeys(targets)
	parts, enc, err := p.encryptGroup(l, targets, bundles, plain)
	if err == nil {
		p.remember(l)
	}
	p.mu.Unlock()
	if err != nil {
		return err
	}
	n := l.stanza()
	n.Content = []node{{Tag: "participants", Content: parts}, *enc}
	return p.hand(l, n)
}

// groupTargets is every device of a group but the phone itself.
func (p *phone) groupTargets(g *group) []types.JID {
	p.e.mu.Lock()
	defer p.e.mu.Unlock()
	var targets []types.JID
	for _, member := range g.members {
		targets = append(targets, member.deviceJIDs(types.HiddenUserServer)...)
	}
	return slices.DeleteFunc(targets, func(j types.JID) bool { return j == p.account.lid })
}

// encryptGroup makes the shares and the common ciphertext. The caller holds p.mu.
func (p *phone) encryptGroup(l letter, targets []types.JID, bundles map[types.JID]*prekey.Bundle, plain []byte) ([]node, *node, error) {
	key, err := p.senderKey(l.to)
	if err != nil {
		return nil, nil, err
	}
	share, err := proto.Marshal(&waE2E.Message{SenderKeyDistributionMessage: key})
	if err != nil {
		return nil, nil, err
	}
	parts, err := p.encryptEach(l, targets, bundles, func(types.JID) []byte { return share })
	if err != nil {
		return nil, nil, err
	}
	name := protocol.NewSenderKeyName(l.to.String(), p.account.lid.SignalAddress())
	cipher := groups.NewGroupCipher(groups.NewGroupSessionBuilder(p.store, signal), name, p.store)
	message, err := cipher.Encrypt(context.Background(), pad(plain))
	if err != nil {
		return nil, nil, err
	}
	enc := &node{Tag: "enc", Attrs: attrs{"v": "2", "type": "skmsg"}, Content: message.SignedSerialize()}
	l.share(enc)
	return parts, enc, nil
}

// senderKey is the phone's key for a group, as the group's devices get it. The caller holds p.mu.
func (p *phone) senderKey(chat types.JID) (*waE2E.SenderKeyDistributionMessage, error) {
	name := protocol.NewSenderKeyName(chat.String(), p.account.lid.SignalAddress())
	key, err := groups.NewGroupSessionBuilder(p.store, signal).Create(context.Background(), name)
	if err != nil {
		return nil, err
	}
	return &waE2E.SenderKeyDistributionMessage{GroupID: proto.String(chat.String()), AxolotlSenderKeyDistributionMessage: key.Serialize()}, nil
}
