package emulator

import (
	"regexp"
	"strings"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Content is what a phone shows of a message, and what has been done to it since.
type Content struct {
	// Type is text, image, video, audio, voice, document, sticker, location, contact, poll, or what
	// WhatsApp calls it otherwise. What is done to a message that the list does not hold (the phone's
	// own, or one that never came) is an entry of its own, of type reaction, edit, revoke or vote,
	// and names that message by ReplyTo.
	Type     string   `json:"type"`
	Text     string   `json:"text"` // of a reaction its emoji
	Caption  string   `json:"caption,omitempty"`
	Mentions []string `json:"mentions,omitempty"` // numbers, or "all"
	ReplyTo  *ReplyTo `json:"reply_to,omitempty"`
	// Reactions are those that stand, one a person; the list is empty once all were taken back.
	Reactions []Reaction `json:"reactions,omitzero"`
	Edited    bool       `json:"edited,omitempty"`  // and Text is the new one
	Revoked   bool       `json:"revoked,omitempty"` // and nothing is left of what it said
	Poll      *Poll      `json:"poll,omitempty"`
	Location  *Location  `json:"location,omitempty"`
	Contacts  []Contact  `json:"contacts,omitempty"`
}

// ReplyTo is the message that another refers to.
type ReplyTo struct {
	ID     string `json:"id"`
	Sender string `json:"sender,omitempty"` // number
	Text   string `json:"text,omitempty"`
}

// Reaction is one person's.
type Reaction struct {
	From  string `json:"from"` // number
	Emoji string `json:"emoji"`
}

// Poll is a question with the choices that people have made.
type Poll struct {
	Name       string   `json:"name"`
	Options    []string `json:"options"`
	Selectable int      `json:"selectable"` // at most so many; 0 is any number
	Votes      []Vote   `json:"votes,omitempty"`
}

// Vote is what one person has chosen.
type Vote struct {
	From    string   `json:"from"` // number
	Options []string `json:"options"`
}

// Location is a place.
type Location struct {
	Latitude  float64 `json:"latitude"`
	Longitude float64 `json:"longitude"`
	Name      string  `json:"name,omitempty"`
	Address   string  `json:"address,omitempty"`
}

// Contact is somebody's card.
type Contact struct {
	Name  string `json:"name"`
	Phone string `json:"phone,omitempty"` // digits
	VCard string `json:"vcard,omitempty"`
}

// contentOf reads a message; numberOf names whom a JID belongs to.
func contentOf(m *waE2E.Message, numberOf func(types.JID) string) Content {
	m = unwrap(m)
	name, inner := body(m)
	c := Content{Type: strings.TrimSuffix(name, "Message")}
	switch v := inner.(type) {
	case *waE2E.ExtendedTextMessage:
		c.Type, c.Text = "text", v.GetText()
	case *waE2E.ImageMessage:
		c.Caption = v.GetCaption()
	case *waE2E.VideoMessage:
		c.Type, c.Caption = "video", v.GetCaption()
	case *waE2E.DocumentMessage:
		c.Caption = v.GetCaption()
	case *waE2E.AudioMessage:
		if v.GetPTT() {
			c.Type = "voice"
		}
	case *waE2E.LocationMessage:
		c.Location = &Location{v.GetDegreesLatitude(), v.GetDegreesLongitude(), v.GetName(), v.GetAddress()}
	case *waE2E.LiveLocationMessage:
		c.Type, c.Caption = "location", v.GetCaption()
		c.Location = &Location{Latitude: v.GetDegreesLatitude(), Longitude: v.GetDegreesLongitude()}
	case *waE2E.ContactMessage:
		c.Contacts = []Contact{contactOf(v)}
	case *waE2E.ContactsArrayMessage:
		c.Type = "contact"
		for _, one := range v.GetContacts() {
			c.Contacts = append(c.Contacts, contactOf(one))
		}
	case *waE2E.PollCreationMessage:
		c.Type, c.Poll = "poll", &Poll{Name: v.GetName(), Selectable: int(v.GetSelectableOptionsCount())}
		for _, option := range v.GetOptions() {
			c.Poll.Options = append(c.Poll.Options, option.GetOptionName())
		}
	case *waE2E.CommentMessage:
		c = contentOf(v.GetMessage(), numberOf)
		c.ReplyTo = &ReplyTo{ID: v.GetTargetMessageKey().GetID()}
	case nil:
		c.Type, c.Text = "text", m.GetConversation()
		if name == "" {
			c.Type = "unknown"
		}
	}
	if about, ok := inner.(interface{ GetContextInfo() *waE2E.ContextInfo }); ok {
		c.refer(about.GetContextInfo(), numberOf)
	}
	return c
}

// refer reads whom a message mentions, and which message it answers.
func (c *Content) refer(about *waE2E.ContextInfo, numberOf func(types.JID) string) {
	number := func(written string) string {
		j, err := types.ParseJID(written)
		if err != nil || j.User == "" {
			return ""
		}
		return numberOf(j)
	}
	for _, mentioned := range about.GetMentionedJID() {
		c.Mentions = append(c.Mentions, number(mentioned))
	}
	if about.GetNonJIDMentions() > 0 {
		c.Mentions = append(c.Mentions, "all")
	}
	if id := about.GetStanzaID(); id != "" {
		quoted := contentOf(about.GetQuotedMessage(), numberOf)
		c.ReplyTo = &ReplyTo{ID: id, Sender: number(about.GetParticipant()), Text: quoted.Text + quoted.Caption}
	}
}

// waID is a WhatsApp number in a card, as phones write it; dialled is any other.
var (
	waID    = regexp.MustCompile(`(?i)waid=(\d+)`)
	dialled = regexp.MustCompile(`(?im)^(?:[\w-]+\.)?TEL[^:\r\n]*:([^\r\n]*)`)
)

func contactOf(m *waE2E.ContactMessage) Contact {
	c := Contact{Name: m.GetDisplayName(), VCard: m.GetVcard()}
	if found := waID.FindStringSubmatch(c.VCard); found != nil {
		c.Phone = found[1]
	} else if found = dialled.FindStringSubmatch(c.VCard); found != nil {
		c.Phone = digits(found[1])
	}
	return c
}

// unwrap takes a message out of what it is wrapped in: a copy for an own device, disappearing, to be
// viewed once, with a caption, an edit.
func unwrap(m *waE2E.Message) *waE2E.Message {
	for {
		inner := wrapped(m)
		if inner == nil {
			return m
		}
		m = inner
	}
}

// wrapped is the message within a wrapping, or nil.
func wrapped(m *waE2E.Message) *waE2E.Message {
	_, inner := body(m)
	switch v := inner.(type) {
	case *waE2E.FutureProofMessage:
		return v.GetMessage()
	case *waE2E.DeviceSentMessage:
		return v.GetMessage()
	}
	return nil
}

// body is the one thing that a message says: the name of its field, and it, nil where that is a text.
// Of several it is the one that the protocol has had for longest.
func body(m *waE2E.Message) (name string, inner any) {
	first := protoreflect.FieldNumber(0)
	m.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch field.Name() {
		case "messageContextInfo", "senderKeyDistributionMessage":
			return true // beside what it says
		}
		if first != 0 && first < field.Number() {
			return true
		}
		first, name, inner = field.Number(), string(field.Name()), nil
		if field.Message() != nil {
			inner = value.Message().Interface()
		}
		return true
	})
	return name, inner
}
