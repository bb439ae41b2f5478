package emulator

import (
	"cmp"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// maxText is how many characters a text may have: phones refuse a longer one.
const maxText = 65_536

// Writing is what a phone is to write, or to do to a message.
type Writing struct {
	// To is the chat: a number, a JID, or a group's JID. What is done to a message that the phone
	// knows needs none. The chat may be named Chat too, as the product's routes name it.
	To   string `json:"to,omitempty"`
	Chat string `json:"chat,omitempty"`
	// ID is a new message's, where it is to be chosen, or the ID of the message that something is
	// done to.
	ID string `json:"id,omitempty"`
	// Text is a new message's, or what an edited one says from now on. It may be named Message too.
	Text    string `json:"text,omitempty"`
	Message string `json:"message,omitempty"`
	// Type is a new message's: text, or empty.
	Type string `json:"type,omitempty"`
	// Emoji is a reaction; empty takes it back.
	Emoji string `json:"emoji,omitempty"`
	// Sender is the number of who wrote the message that something is done to, where the phone does
	// not know it: empty is the other side of the chat.
	Sender string `json:"sender,omitempty"`
}

// SendMessage has the phone of number send a text to the account with number to: encrypted
// to each of its devices, and to the sender's other devices. It returns the message's ID.
func (e *Emulator) SendMessage(number, to, body string) (string, error) {
	return e.Write(number, Writing{To: to, Text: body})
}

// Write has the phone of number send a text to a person or a group, under an ID that may be chosen.
func (e *Emulator) Write(number string, w Writing) (string, error) {
	if w.Type != "" && w.Type != "text" {
		return "", fmt.Errorf("%w: type %q: phones write texts only", ErrBadInput, w.Type)
	}
	if w.ID != "" {
		if err := checkMessageID(w.ID); err != nil {
			return "", err
		}
	}
	message, err := w.text()
	if err != nil {
		return "", err
	}
	p, l, err := e.letterTo(number, cmp.Or(w.To, w.Chat))
	if err != nil {
		return "", err
	}
	l.id, l.message = cmp.Or(w.ID, newMessageID()), message
	return l.id, p.send(l)
}

// React has the phone of number react to a message, or take its reaction back. It returns the
// reaction's own ID.
func (e *Emulator) React(number string, w Writing) (string, error) {
	p, l, key, err := e.letterAbout(number, w)
	if err != nil {
		return "", err
	}
	l.kind = "reaction"
	if w.Emoji == "" {
		l.edit = revokesOwn
	}
	l.message = &waE2E.Message{ReactionMessage: &waE2E.ReactionMessage{
		Key: key, Text: proto.String(w.Emoji), SenderTimestampMS: proto.Int64(time.Now().UnixMilli()),
	}}
	return l.id, p.send(l)
}

// Edit has the phone of number change what a text of its own says. It returns the edit's own ID.
func (e *Emulator) Edit(number string, w Writing) (string, error) {
	text, err := w.text()
	if err != nil {
		return "", err
	}
	p, l, key, err := e.letterAbout(number, w)
	if err != nil {
		return "", err
	}
	if !key.GetFromMe() {
		return "", fmt.Errorf("%w: message %s is not of phone %s: only its author can edit it", ErrConflict, w.ID, number)
	}
	l.edit = editsText
	l.message = &waE2E.Message{EditedMessage: &waE2E.FutureProofMessage{Message: &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
		Key: key, Type: waE2E.ProtocolMessage_MESSAGE_EDIT.Enum(), EditedMessage: text, TimestampMS: proto.Int64(time.Now().UnixMilli()),
	}}}}
	return l.id, p.send(l)
}

// Revoke has the phone of number delete a message for everyone: its own, or any of a group that it
// is an admin of. It returns the ID of the revocation.
func (e *Emulator) Revoke(number string, w Writing) (string, error) {
	p, l, key, err := e.letterAbout(number, w)
	if err != nil {
		return "", err
	}
	a := p.account
	l.edit = revokesOwn
	if !key.GetFromMe() {
		if !e.administers(a, l.group) {
			return "", fmt.Errorf("%w: message %s is not of phone %s, which is no admin there", ErrConflict, w.ID, number)
		}
		l.edit = revokesOther
	}
	l.message = &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{Key: key, Type: waE2E.ProtocolMessage_REVOKE.Enum()}}
	return l.id, p.send(l)
}

// text is what the phone writes, as it is sent.
func (w Writing) text() (*waE2E.Message, error) {
	body := cmp.Or(w.Text, w.Message)
	if n := utf8.RuneCountInString(body); n == 0 || n > maxText {
		return nil, fmt.Errorf("%w: text of %d characters: want 1 to %d", ErrBadInput, n, maxText)
	}
	return &waE2E.Message{Conversation: proto.String(body)}, nil
}

// letterTo begins a message of a phone to a chat.
func (e *Emulator) letterTo(number, chat string) (*phone, letter, error) {
	sender, err := e.accountByNumber(number)
	if err != nil {
		return nil, letter{}, err
	}
	if chat == "" {
		return nil, letter{}, fmt.Errorf("%w: to is missing: a number, or a group's JID", ErrBadInput)
	}
	if user, isGroup := strings.CutSuffix(chat, "@"+types.GroupServer); isGroup {
		e.mu.Lock()
		defer e.mu.Unlock()
		if g := e.groups[user]; g != nil {
			return sender.phone, letter{to: g.jid, group: g}, nil
		}
		return nil, letter{}, fmt.Errorf("%w: group %s", ErrNotFound, chat)
	}
	target, err := e.accountByNumber(chat)
	if err != nil {
		return nil, letter{}, err
	}
	return sender.phone, letter{to: target.lid, target: target}, nil
}

// letterAbout begins a message that does something to another, and returns that one's key as the
// phone names it.
func (e *Emulator) letterAbout(number string, w Writing) (*phone, letter, *waCommon.MessageKey, error) {
	if err := checkMessageID(w.ID); err != nil {
		return nil, letter{}, nil, err
	}
	a, err := e.accountByNumber(number)
	if err != nil {
		return nil, letter{}, nil, err
	}
	about, known := a.phone.find(w.ID, w.Sender)
	chat := cmp.Or(w.To, w.Chat)
	if !known && chat == "" {
		return nil, letter{}, nil, fmt.Errorf("%w: phone %s knows no message %s: say in which chat it is (to)", ErrNotFound, number, w.ID)
	}
	p, l, err := e.letterTo(number, cmp.Or(chat, about.chat))
	if err != nil {
		return nil, letter{}, nil, err
	}
	author := about.author
	if !known {
		if author, err = e.authorOf(l, w.Sender); err != nil {
			return nil, letter{}, nil, err
		}
	}
	l.id = newMessageID()
	key := &waCommon.MessageKey{RemoteJID: proto.String(l.to.String()), FromMe: proto.Bool(author == a.lid), ID: proto.String(w.ID)}
	if l.group != nil && author != a.lid {
		key.Participant = proto.String(author.String())
	}
	return p, l, key, nil
}

// authorOf is who wrote a message that the phone does not know.
func (e *Emulator) authorOf(l letter, sender string) (types.JID, error) {
	switch {
	case sender != "":
		a, err := e.accountByNumber(sender)
		if err != nil {
			return types.EmptyJID, err
		}
		return a.lid, nil
	case l.target != nil:
		return l.target.lid, nil
	}
	return types.EmptyJID, fmt.Errorf("%w: the phone knows no such message in the group: say whose it is (sender)", ErrBadInput)
}

// known is a message as a phone finds it again.
type known struct {
	chat   string    // a number, or a group's JID
	author types.JID // LID, without device
}

// find looks for a message by its ID among what the phone sent, what its linked devices sent, and
// what it received, the newest first; sender is a number, or empty for anybody.
func (p *phone) find(id, sender string) (known, bool) {
	p.mail.caughtUp()
	p.mu.Lock()
	defer p.mu.Unlock()
	own := sender == "" || sender == p.account.number
	if m := p.sent[id]; m != nil && own && !m.peer {
		return known{chat: m.to.String(), author: p.account.lid}, true
	}
	for i := len(p.copies) - 1; i >= 0 && own; i-- {
		if c := p.copies[i]; c.ID == id {
			return known{chat: c.To, author: p.account.lid}, true
		}
	}
	for i := len(p.inbox) - 1; i >= 0; i-- {
		if m := p.inbox[i]; m.ID == id && (sender == "" || sender == m.From) {
			return known{chat: cmp.Or(m.Chat, m.From), author: types.NewJID(lidOf(m.From), types.HiddenUserServer)}, true
		}
	}
	return known{}, false
}

// maxMessageID is the longest ID of a message that is taken; clients make 16 to 32 characters.
const maxMessageID = 128

func checkMessageID(id string) error {
	if id == "" || len(id) > maxMessageID || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("%w: id %q: want 1 to %d visible ASCII characters", ErrBadInput, id, maxMessageID)
	}
	return nil
}
