package emulator

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.mau.fi/libsignal/groups"
	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/libsignal/session"
	"go.mau.fi/libsignal/signalerror"
	"go.mau.fi/libsignal/state/record"
	"go.mau.fi/libsignal/util/optional"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// receive is one stanza for the phone. It runs in the phone's own goroutine.
func (p *phone) receive(n node) {
	switch n.Tag {
	case "message":
		p.receiveMessage(&n)
	case "receipt":
		if text(&n, "type") == "retry" {
			p.answerRetry(&n)
		}
	}
}

func (p *phone) receiveMessage(n *node) {
	sender := jid(n, "from")
	if by := jid(n, "participant"); !by.IsEmpty() {
		sender = by
	}
	key := messageKey{sender.User, text(n, "id")}
	p.mu.Lock()
	got, err := p.decrypt(n, sender)
	var answer node
	switch {
	case errors.Is(err, signalerror.ErrOldCounter) && p.seen[key] != nil:
		// The network's copy of a ciphertext that was decrypted before.
		p.countCopy(key, sender)
		answer = p.receipt(n, sender)
	case err != nil:
		p.event(KindUndecryptable, sender, key.id, err.Error())
		answer = p.retryReceipt(n, key)
	default:
		p.take(n, key, sender, got)
		answer = p.receipt(n, sender)
	}
	p.mu.Unlock()
	if answer.Tag == "" {
		return
	}
	if retry, ok := child(&answer, "retry"); ok {
		p.e.note(Event{Kind: KindRetry, Number: p.account.number, Device: p.account.pn.String(), Peer: sender.String(), ID: key.id, Code: number(retry, "count")})
	}
	p.e.mu.Lock()
	p.e.forwardReceiptLocked(p.account, p.account.lid, &answer)
	p.e.mu.Unlock()
}

// decrypt takes every ciphertext of a message and returns what it says. The caller holds p.mu.
func (p *phone) decrypt(n *node, sender types.JID) (*waE2E.Message, error) {
	var out *waE2E.Message
	for _, enc := range n.GetChildrenByTag("enc") {
		kind := text(&enc, "type")
		var plain []byte
		var err error
		if kind == "skmsg" {
			plain, err = p.decryptGroup(jid(n, "from"), sender, bytesOf(&enc))
		} else {
			plain, err = p.decryptDirect(n, sender, kind, bytesOf(&enc))
		}
		if err != nil {
			return nil, err
		}
		if plain, err = unpad(plain); err != nil {
			return nil, err
		}
		message := &waE2E.Message{}
		if err = proto.Unmarshal(plain, message); err != nil {
			return nil, fmt.Errorf("plaintext: %w", err)
		}
		if skdm := message.GetSenderKeyDistributionMessage(); skdm != nil {
			if err = p.takeSenderKey(skdm, sender); err != nil {
				return nil, err
			}
		}
		if out == nil || kind == "skmsg" {
			out = message
		}
	}
	if out == nil {
		return nil, errors.New("no ciphertext")
	}
	return out, nil
}

func (p *phone) decryptDirect(n *node, sender types.JID, kind string, ciphertext []byte) ([]byte, error) {
	ctx := context.Background()
	address := sender.SignalAddress()
	builder := session.NewBuilderFromSignal(p.store, address, signal)
	known, err := p.store.LoadSession(ctx, address)
	if err != nil {
		return nil, err
	}
	var inner *protocol.SignalMessage
	used := optional.NewEmptyUint32() // ID of the one-time key
	switch kind {
	case "pkmsg":
		message, err := protocol.NewPreKeySignalMessageFromBytes(ciphertext, signal.PreKeySignalMessage, signal.SignalMessage)
		if err != nil {
			return nil, err
		}
		if err = p.checkDevice(n, sender, message.IdentityKey().PublicKey().PublicKey()); err != nil {
			return nil, err
		}
		if used, err = builder.Process(ctx, known, message); err != nil {
			return nil, err
		}
		inner = message.WhisperMessage()
	case "msg":
		if known.IsFresh() {
			return nil, fmt.Errorf("%w %s", signalerror.ErrNoSessionForUser, address)
		}
		if inner, err = protocol.NewSignalMessageFromBytes(ciphertext, signal.SignalMessage); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("ciphertext of type %q", kind)
	}
	plain, stepped, err := decryptWith(ctx, session.NewCipher(builder, address), known, inner)
	if err != nil {
		return nil, err
	}
	if err := p.store.Sessions.PutSession(ctx, address.String(), signal.Session.Serialize(stepped)); err != nil {
		return nil, err
	}
	if !used.IsEmpty {
		if err := p.store.RemovePreKey(ctx, used.Value); err != nil {
			return nil, err
		}
	}
	p.judgeChain(sender, text(n, "id"), inner)
	return plain, nil
}

// decryptWith decrypts with the session that the message is of, which becomes the current one, and
// returns the stepped record. All other sessions stay as they are: after both sides have begun at once
// there are two, and either may be used next. libsignal's Go port, unlike those in phones, also steps
// the sessions that it tries in vain.
func decryptWith(ctx context.Context, cipher *session.Cipher, known *record.Session, message *protocol.SignalMessage) ([]byte, *record.SessionStructure, error) {
	raw := known.Serialize()
	for i := -1; i < len(known.PreviousSessionStates()); i++ { // -1 is the current session
		all, err := signal.Session.Deserialize(raw)
		if err != nil {
			return nil, nil, err
		}
		tried := all.SessionState
		if i >= 0 {
			tried = all.PreviousStates[i]
			all.PreviousStates = append([]*record.StateStructure{all.SessionState}, slices.Delete(all.PreviousStates, i, i+1)...)
		}
		state, err := record.NewStateFromStructure(tried, signal.State)
		if err != nil {
			return nil, nil, err
		}
		plain, _, err := cipher.DecryptWithState(ctx, state, message)
		switch {
		case errors.Is(err, signalerror.ErrOldCounter):
			return nil, nil, err
		case err != nil:
			continue
		}
		all.SessionState, err = signal.State.Deserialize(state.Serialize())
		return plain, all, err
	}
	return nil, nil, signalerror.ErrNoValidSessions
}

func (p *phone) decryptGroup(chat, sender types.JID, ciphertext []byte) ([]byte, error) {
	builder := groups.NewGroupSessionBuilder(p.store, signal)
	name := protocol.NewSenderKeyName(chat.String(), sender.SignalAddress())
	message, err := protocol.NewSenderKeyMessageFromBytes(ciphertext, signal.SenderKeyMessage)
	if err != nil {
		return nil, err
	}
	return groups.NewGroupCipher(builder, name, p.store).Decrypt(context.Background(), message)
}

func (p *phone) takeSenderKey(skdm *waE2E.SenderKeyDistributionMessage, sender types.JID) error {
	message, err := protocol.NewSenderKeyDistributionMessageFromBytes(skdm.GetAxolotlSenderKeyDistributionMessage(), signal.SenderKeyDistributionMessage)
	if err != nil {
		return fmt.Errorf("sender key: %w", err)
	}
	name := protocol.NewSenderKeyName(skdm.GetGroupID(), sender.SignalAddress())
	return groups.NewGroupSessionBuilder(p.store, signal).Process(context.Background(), name, message)
}

func (p *phone) event(kind string, sender types.JID, id, detail string) {
	p.e.note(Event{Kind: kind, Number: p.account.number, Device: p.deviceName(sender), ID: id, Detail: detail})
}

func (p *phone) numberOf(j types.JID) string {
	p.e.mu.Lock()
	defer p.e.mu.Unlock()
	if a := p.e.accountLocked(j); a != nil {
		return a.number
	}
	return j.User
}

// deviceName is a device's JID in number form.
func (p *phone) deviceName(j types.JID) string {
	out := types.NewJID(p.numberOf(j), types.DefaultUserServer)
	out.Device = j.Device
	return out.String()
}

// receipt acknowledges a message.
func (p *phone) receipt(n *node, sender types.JID) node {
	a := attrs{"id": text(n, "id"), "to": jid(n, "from")}
	if by := jid(n, "participant"); !by.IsEmpty() {
		a["participant"] = by
	}
	if sender.User == p.account.lid.User {
		a["type"] = "sender"
		if text(n, "category") == "peer" {
			a["type"] = "peer_msg"
		}
		if chat := jid(n, "recipient"); !chat.IsEmpty() {
			a["recipient"] = chat
		}
	}
	return node{Tag: "receipt", Attrs: a}
}
