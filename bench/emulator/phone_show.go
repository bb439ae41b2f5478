package emulator

import (
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
)

// take shows a decrypted message, unless its ID was shown before: recipients drop a second
// copy silently. What the account's own devices sent is shown as sent. The caller holds p.mu.
func (p *phone) take(n *node, key messageKey, sender types.JID, message *waE2E.Message) {
	delete(p.retries, key)
	if text(n, "category") == "peer" {
		if asksForKey(message) {
			p.shareKeyAgain(sender)
		}
		return // a request of an own device: nothing to show
	}
	inGroup := jid(n, "from").Server == types.GroupServer
	own := sender.User == p.account.lid.User && (inGroup || message.GetDeviceSentMessage() != nil)
	if p.seen[key] != nil {
		if !own {
			p.countCopy(key, sender)
		}
		return
	}
	m := &Message{ID: key.id, From: p.numberOf(sender), FromDevice: p.deviceName(sender), At: time.Now(), Copies: 1}
	if inGroup {
		m.Chat = jid(n, "from").String()
	}
	p.seen[key] = m
	detail, listed := p.read(n, key, sender, message, m)
	switch {
	case !listed:
	case own:
		c := &SentCopy{ID: m.ID, To: m.Chat, FromDevice: m.FromDevice, At: m.At, Content: m.Content}
		if !inGroup {
			c.To = jid(n, "peer_recipient_pn").User
		}
		p.copies = append(p.copies, c)
		p.show(n, key, &c.Content, message)
	default:
		p.inbox = append(p.inbox, m)
		p.show(n, key, &m.Content, message)
	}
	if !own {
		p.event(KindInbox, sender, key.id, detail)
	}
}

// read fills in what a message says. What it does to one that the phone shows is done there, and it is
// not listed itself.
func (p *phone) read(n *node, key messageKey, sender types.JID, message *waE2E.Message, into *Message) (detail string, listed bool) {
	c, err := p.readChange(n, sender, message)
	if c == nil {
		into.Content = contentOf(message, p.numberOf)
		return "", true
	}
	detail = c.kind + " of " + c.target.id
	if err != nil {
		p.event(KindUndecryptable, sender, key.id, err.Error())
	} else if p.apply(n, key.id, c) {
		return detail, false
	}
	into.Content = c.entry(p.numberOf)
	if err == nil && p.sent[c.target.id] == nil {
		p.early[c.target] = append(p.early[c.target], c) // its message may still come
	}
	return detail, true
}

// show lets a message be found by what is done to it, and does what was done before it came.
func (p *phone) show(n *node, key messageKey, c *Content, message *waE2E.Message) {
	p.shown[key] = c
	if s := secret(message); s != nil {
		p.secrets[key] = s
	}
	for _, was := range p.early[key] {
		p.apply(n, key.id, was)
	}
	delete(p.early, key)
}

func (p *phone) countCopy(key messageKey, sender types.JID) {
	p.seen[key].Copies++
	p.event(KindCopy, sender, key.id, "")
}
