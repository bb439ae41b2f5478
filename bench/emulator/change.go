package emulator

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// Types of entries that say what was done to another message.
const (
	typeReaction = "reaction"
	typeEdit     = "edit"
	typeRevoke   = "revoke"
	typeVote     = "vote"
)

// change is what a message does to another.
type change struct {
	kind   string
	by     types.JID // LID, with device
	target messageKey
	emoji  string
	edited *waE2E.Message
	chosen [][]byte // hashes of a poll's options
}

// readChange reads what a message does to another; nil where it does nothing of the kind. The caller
// holds p.mu.
func (p *phone) readChange(n *node, sender types.JID, m *waE2E.Message) (*change, error) {
	c := &change{by: sender}
	aim := func(kind string, key *waCommon.MessageKey) {
		c.kind, c.target = kind, p.target(n, sender, key)
	}
	_, inner := body(unwrap(m))
	switch v := inner.(type) {
	case *waE2E.ReactionMessage:
		aim(typeReaction, v.GetKey())
		c.emoji = v.GetText()
	case *waE2E.EncReactionMessage:
		aim(typeReaction, v.GetTargetMessageKey())
		var reaction waE2E.ReactionMessage
		if err := p.openSecret(c, secretReaction, v, &reaction); err != nil {
			return c, err
		}
		c.emoji = reaction.GetText()
	case *waE2E.ProtocolMessage:
		switch v.GetType() {
		case waE2E.ProtocolMessage_REVOKE:
			aim(typeRevoke, v.GetKey())
		case waE2E.ProtocolMessage_MESSAGE_EDIT:
			aim(typeEdit, v.GetKey())
			c.edited = v.GetEditedMessage()
		default:
			return nil, nil
		}
	case *waE2E.SecretEncryptedMessage:
		use, ok := secretEdits[v.GetSecretEncType()]
		if !ok {
			return nil, nil
		}
		aim(typeEdit, v.GetTargetMessageKey())
		var edited waE2E.Message
		if err := p.openSecret(c, use, v, &edited); err != nil {
			return c, err
		}
		c.edited = unwrap(&edited)
		if again := c.edited.GetProtocolMessage().GetEditedMessage(); again != nil {
			c.edited = again
		}
	case *waE2E.PollUpdateMessage:
		aim(typeVote, v.GetPollCreationMessageKey())
		var vote waE2E.PollVoteMessage
		if err := p.openSecret(c, secretVote, v.GetVote(), &vote); err != nil {
			return c, err
		}
		c.chosen = vote.GetSelectedOptions()
	default:
		return nil, nil
	}
	return c, nil
}

// target is the message that a key names. The key is as its sender sees the chat: whether the message
// is "from me" is the sender's view, and in a chat of two that of the other side needs no name.
func (p *phone) target(n *node, sender types.JID, key *waCommon.MessageKey) messageKey {
	author := sender
	switch by, err := types.ParseJID(key.GetParticipant()); {
	case key.GetFromMe():
	case err == nil && by.User != "":
		author = by
	case sender.User != p.account.lid.User:
		author = p.account.lid
	default:
		author = jid(n, "recipient") // an own device says it of the other side's
	}
	p.e.mu.Lock()
	defer p.e.mu.Unlock()
	return messageKey{p.e.lidLocked(author).User, key.GetID()}
}

// apply does a change to the message that it is about, if the phone shows that and its sender may.
// Who may not is told nothing, as at WhatsApp; the referee books it. The caller holds p.mu.
func (p *phone) apply(n *node, id string, c *change) bool {
	shown := p.shown[c.target]
	if shown == nil {
		return false
	}
	author := c.by.User == c.target.sender
	if (c.kind == typeEdit && !author) || (c.kind == typeRevoke && !author && !p.isAdmin(n, c.by)) {
		p.event(KindClientError, c.by, id, fmt.Sprintf("%s of message %s, which is another's", c.kind, c.target.id))
		return true
	}
	c.do(shown, p.numberOf(c.by), p.numberOf)
	return true
}

func (p *phone) isAdmin(n *node, j types.JID) bool {
	p.e.mu.Lock()
	defer p.e.mu.Unlock()
	g := p.e.groups[jid(n, "from").User]
	return g != nil && g.admin(p.e.accountLocked(j))
}

// do changes what a phone shows. Slices and pointers are replaced, as copies of the entry are about.
func (c *change) do(m *Content, by string, numberOf func(types.JID) string) {
	switch c.kind {
	case typeReaction:
		m.Reactions = slices.DeleteFunc(slices.Clone(m.Reactions), func(r Reaction) bool { return r.From == by })
		if c.emoji != "" {
			m.Reactions = append(m.Reactions, Reaction{From: by, Emoji: c.emoji})
		}
		if m.Reactions == nil {
			m.Reactions = []Reaction{}
		}
	case typeEdit:
		now := contentOf(c.edited, numberOf)
		m.Edited, m.Text, m.Caption, m.Mentions = true, now.Text, now.Caption, now.Mentions
		if now.Poll != nil && m.Poll != nil {
			now.Poll.Votes = m.Poll.Votes
			m.Poll = now.Poll
		}
	case typeRevoke:
		*m = Content{Type: m.Type, Revoked: true, Edited: m.Edited}
	case typeVote:
		if m.Poll == nil {
			return
		}
		changed := *m.Poll
		changed.Votes = slices.DeleteFunc(slices.Clone(changed.Votes), func(v Vote) bool { return v.From == by })
		if chosen := changed.chosen(c.chosen); len(chosen) > 0 {
			changed.Votes = append(changed.Votes, Vote{From: by, Options: chosen})
		}
		m.Poll = &changed
	}
}

// chosen names the options of which a vote holds the hashes.
func (p *Poll) chosen(hashes [][]byte) []string {
	var out []string
	for _, option := range p.Options {
		sum := sha256.Sum256([]byte(option))
		if slices.ContainsFunc(hashes, func(h []byte) bool { return string(h) == string(sum[:]) }) {
			out = append(out, option)
		}
	}
	return out
}

// entry is a change as an entry of its own, where there is nothing to change.
func (c *change) entry(numberOf func(types.JID) string) Content {
	out := Content{Type: c.kind, Text: c.emoji}
	if c.edited != nil {
		out = contentOf(c.edited, numberOf)
		out.Type = c.kind
	}
	out.ReplyTo = &ReplyTo{ID: c.target.id, Sender: numberOf(types.NewJID(c.target.sender, types.HiddenUserServer))}
	return out
}

// secret is the key that a message brought along for what is to be done to it later.
func secret(m *waE2E.Message) []byte {
	for ; m != nil; m = wrapped(m) {
		if s := m.GetMessageContextInfo().GetMessageSecret(); s != nil {
			return s
		}
	}
	return nil
}

// secretOf is that key of a message that the phone received or sent. The caller holds p.mu.
func (p *phone) secretOf(key messageKey) []byte {
	if key.sender == p.account.lid.User {
		if m := p.sent[key.id]; m != nil {
			return secret(m.message)
		}
	}
	return p.secrets[key]
}

// openSecret decrypts what a change says into a message. The caller holds p.mu.
func (p *phone) openSecret(c *change, use string, sealed sealed, into proto.Message) error {
	key := p.secretOf(c.target)
	if key == nil {
		return fmt.Errorf("%s of message %s, whose secret the phone has not", c.kind, c.target.id)
	}
	p.e.mu.Lock()
	by, author := p.e.accountLocked(c.by), p.e.lids[c.target.sender]
	p.e.mu.Unlock()
	if by == nil || author == nil {
		return fmt.Errorf("%s of message %s: its sender is unknown", c.kind, c.target.id)
	}
	plain, err := open(key, use, c.target.id, author, by, sealed)
	if err != nil {
		return fmt.Errorf("%s of message %s: %w", c.kind, c.target.id, err)
	}
	return proto.Unmarshal(plain, into)
}
