package emulator

import (
	"context"
	"encoding/binary"
	"fmt"

	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// maxRetries is how often a phone asks for one message (whatsmeow: 4).
const maxRetries = 4

// retryReceipt asks for a message again; from the second time on with keys for a new session.
func (p *phone) retryReceipt(n *node, key messageKey) node {
	p.retries[key]++
	count := p.retries[key]
	if count > maxRetries {
		return node{}
	}
	a := attrs{"id": key.id, "to": jid(n, "from"), "type": "retry"}
	for _, name := range []string{"participant", "recipient"} {
		if j := jid(n, name); !j.IsEmpty() {
			a[name] = j
		}
	}
	content := []node{
		{Tag: "retry", Attrs: attrs{"count": count, "id": key.id, "t": fmt.Sprint(n.Attrs["t"]), "v": 1}},
		{Tag: "registration", Content: binary.BigEndian.AppendUint32(nil, p.store.RegistrationID)},
	}
	if count > 1 {
		oneTime, _ := p.store.PreKeys.GenOnePreKey(context.Background())
		content = append(content, node{Tag: "keys", Content: []node{
			keyTypeNode(), {Tag: "identity", Content: p.store.IdentityKey.Pub[:]}, preKeyNode(oneTime), preKeyNode(p.store.SignedPreKey),
		}})
	}
	return node{Tag: "receipt", Attrs: a, Content: content}
}

// answerRetry sends a message of the phone again, to the one device that asked.
func (p *phone) answerRetry(n *node) {
	from := jid(n, "from")
	if by := jid(n, "participant"); !by.IsEmpty() {
		from = by
	}
	retry, ok := child(n, "retry")
	if !ok {
		return
	}
	id, count := text(retry, "id"), number(retry, "count")
	if count > maxRetries {
		return
	}
	bundle, err := readBundle(from, n)
	if err != nil { // a first retry carries no keys: fetch them
		fresh := p.e.bundle(from)
		if bundle, err = readBundle(from, &fresh); err != nil {
			return
		}
	}
	p.mu.Lock()
	was := p.sent[id]
	if was == nil {
		p.mu.Unlock()
		p.event(KindRetry, from, id, "asked for a message that is not kept")
		return
	}
	plain, err := p.retried(was, from)
	var enc *node
	if err == nil {
		enc, err = p.encrypt(from, plain, bundle)
	}
	p.mu.Unlock()
	if err != nil {
		p.event(KindRetry, from, id, err.Error())
		return
	}
	was.share(enc)
	enc.Attrs["count"] = count
	again := was.stanza()
	again.Attrs["device_fanout"], again.Content = "false", []node{*enc}
	to := from
	switch {
	case was.to.Server == types.GroupServer:
		again.Attrs["participant"], to = from, was.to
	case was.peer:
		again.Attrs["category"] = "peer"
		fallthrough
	default:
		again.Attrs["to"], again.Attrs["recipient"] = from, was.to
	}
	p.route(id, to, again)
}

// retried is a message as the one device gets it that asked for it again. In a group it brings the
// sender key. The caller holds p.mu.
func (p *phone) retried(was *sentMessage, to types.JID) ([]byte, error) {
	message := was.message
	switch {
	case was.to.Server == types.GroupServer:
		key, err := p.senderKey(was.to)
		if err != nil {
			return nil, err
		}
		message = proto.CloneOf(message)
		message.SenderKeyDistributionMessage = key
	case to.User == p.account.lid.User && was.to.User != to.User:
		message = sentCopy(was.to, message)
	}
	return proto.Marshal(message)
}
