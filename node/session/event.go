package session

import (
	"cmp"
	"encoding/hex"
	"encoding/json"

	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// The events that messages become.
const (
	eventMessage       = "message"
	eventEdited        = "message.edited"
	eventRevoked       = "message.revoked"
	eventReaction      = "message.reaction"
	eventUndecryptable = "message.undecryptable"
	eventVote          = "poll.vote"
)

// payload is an event's, as JSON. Fields that are null or empty are part of it where the event has them.
type payload struct {
	ID       string   `json:"id"`
	Chat     string   `json:"chat"`
	From     string   `json:"from"`
	Phone    *string  `json:"phone"`
	LID      *string  `json:"lid"`
	Name     *string  `json:"name"`
	IsGroup  bool     `json:"is_group"`
	Type     string   `json:"type,omitempty"`
	Text     *string  `json:"text"`
	Caption  *string  `json:"caption"`
	ReplyTo  *named   `json:"reply_to"`
	Mentions []string `json:"mentions"`
	RefersTo *named   `json:"refers_to,omitempty"` // what an edit, a revoke, a reaction or a vote is about
	Emoji    *string  `json:"emoji,omitempty"`     // of a reaction; "": it was taken back
	Votes    []string `json:"votes,omitempty"`     // SHA-256 of each chosen option, hexadecimal
	Reason   string   `json:"reason,omitempty"`    // why a message could not be read
	At       string   `json:"timestamp"`
}

// named is another message that one names.
type named struct {
	ID     string  `json:"id"`
	Sender *string `json:"sender"`
	Text   *string `json:"text,omitempty"`
}

// newPayload is what all events of messages have.
func newPayload(info *types.MessageInfo) payload {
	p := payload{
		ID: info.ID, Chat: info.Chat.String(), From: info.Sender.ToNonAD().String(), Name: textOrNil(info.PushName),
		IsGroup: info.IsGroup, Mentions: []string{}, At: info.Timestamp.UTC().Format("2006-01-02T15:04:05.000Z07:00"),
	}
	for _, jid := range []types.JID{info.Sender, info.SenderAlt} {
		switch jid.Server {
		case types.DefaultUserServer:
			p.Phone = textOrNil(jid.User)
		case types.HiddenUserServer:
			p.LID = textOrNil(jid.ToNonAD().String())
		}
	}
	return p
}

// describe says which event a message is, "" where it is none for people. read is the content in clear where
// that came encrypted once more, by a secret of the message that it refers to; nil: it did not, or cannot be read.
func describe(m, read *waE2E.Message, p *payload) (event string) {
	switch {
	case m.GetProtocolMessage() != nil:
		return p.protocol(m.GetProtocolMessage())
	case m.GetReactionMessage() != nil:
		p.react(m.GetReactionMessage())
		return eventReaction
	case m.GetEncReactionMessage() != nil:
		p.RefersTo = keyOf(m.GetEncReactionMessage().GetTargetMessageKey())
		if r := read.GetReactionMessage(); r != nil {
			p.Emoji = textPointer(r.GetText())
		}
		return eventReaction
	case m.GetSecretEncryptedMessage() != nil:
		p.RefersTo = keyOf(m.GetSecretEncryptedMessage().GetTargetMessageKey())
		if inner := read.GetProtocolMessage().GetEditedMessage(); inner != nil {
			read = inner
		}
		p.content(read)
		return eventEdited
	case m.GetPollUpdateMessage() != nil:
		p.RefersTo = keyOf(m.GetPollUpdateMessage().GetPollCreationMessageKey())
		return eventVote
	}
	if p.content(m); p.Type == "" {
		return "" // key material, a receipt of our own phone's; nothing that callers wait for
	}
	return eventMessage
}

// protocol describes a message about another one.
func (p *payload) protocol(m *waE2E.ProtocolMessage) string {
	switch m.GetType() {
	case waE2E.ProtocolMessage_REVOKE:
		p.RefersTo = keyOf(m.GetKey())
		return eventRevoked
	case waE2E.ProtocolMessage_MESSAGE_EDIT:
		p.RefersTo = keyOf(m.GetKey())
		p.content(m.GetEditedMessage())
		return eventEdited
	}
	return ""
}

func (p *payload) react(r *waE2E.ReactionMessage) {
	p.RefersTo, p.Emoji = keyOf(r.GetKey()), textPointer(r.GetText())
}

// content describes what a message says.
func (p *payload) content(m *waE2E.Message) {
	p.Type = kindOf(m)
	text := m.GetConversation()
	if m.GetExtendedTextMessage() != nil {
		text = m.GetExtendedTextMessage().GetText()
	}
	p.Text = textOrNil(text)
	p.Caption = textOrNil(cmp.Or(m.GetImageMessage().GetCaption(), m.GetVideoMessage().GetCaption(), m.GetDocumentMessage().GetCaption()))
	about := contextOf(m)
	p.Mentions = append(p.Mentions, about.GetMentionedJID()...)
	if about.GetStanzaID() != "" {
		quoted := about.GetQuotedMessage()
		p.ReplyTo = &named{ID: about.GetStanzaID(), Sender: textOrNil(about.GetParticipant()),
			Text: textOrNil(cmp.Or(quoted.GetConversation(), quoted.GetExtendedTextMessage().GetText()))}
	}
}

// contextOf is what a message of any kind says of others.
func contextOf(m *waE2E.Message) (about *waE2E.ContextInfo) {
	m.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if f.Kind() != protoreflect.MessageKind || f.IsList() || f.IsMap() {
			return true
		}
		if part, ok := v.Message().Interface().(interface{ GetContextInfo() *waE2E.ContextInfo }); ok && part.GetContextInfo() != nil {
			about = part.GetContextInfo()
		}
		return about == nil
	})
	return about
}

func keyOf(key *waCommon.MessageKey) *named {
	if key.GetID() == "" {
		return nil
	}
	return &named{ID: key.GetID(), Sender: textOrNil(key.GetParticipant())}
}

// json is the payload as it is stored.
func (p payload) json() []byte {
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // the fields are ours; none fails to marshal
	}
	return text
}

func hashes(options [][]byte) []string {
	list := make([]string, len(options))
	for i, option := range options {
		list[i] = hex.EncodeToString(option)
	}
	return list
}

func textOrNil(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func textPointer(text string) *string { return &text }

// kindOf names what a message carries, "" where that is nothing for people.
func kindOf(m *waE2E.Message) string {
	if m.GetConversation() != "" || m.GetExtendedTextMessage() != nil {
		return "text"
	}
	kind := ""
	m.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		switch f.Name() {
		case "senderKeyDistributionMessage", "fastRatchetKeySenderKeyDistributionMessage", "messageContextInfo", "protocolMessage":
			return true
		}
		kind = string(f.Name())
		return false
	})
	return kind
}
