package emulator

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/util/gcmutil"
	"go.mau.fi/whatsmeow/util/hkdfutil"
	"google.golang.org/protobuf/proto"
)

// sends sends a message as a client does and returns its ID.
func sends(t *testing.T, c *client, to types.JID, m *waE2E.Message) string {
	t.Helper()
	sent, err := c.SendMessage(t.Context(), to, m)
	if err != nil {
		t.Fatal(err)
	}
	return sent.ID
}

// shown is the entry of that ID in the inbox of a phone, which may still be on its way.
func shown(t *testing.T, e *Emulator, number, id string, fits func(Message) bool) Message {
	t.Helper()
	var out Message
	eventually(t, "message "+id+" on phone "+number, func() bool {
		inbox, err := e.Inbox(number)
		i := slices.IndexFunc(inbox, func(m Message) bool { return m.ID == id })
		if err != nil || i < 0 {
			return false
		}
		out = inbox[i]
		return fits == nil || fits(out)
	})
	return out
}

// sentCopyOf is the entry of that ID among what a phone shows as sent.
func sentCopyOf(t *testing.T, e *Emulator, number, id string, fits func(SentCopy) bool) SentCopy {
	t.Helper()
	var out SentCopy
	eventually(t, "message "+id+" as sent on phone "+number, func() bool {
		sent, err := e.Sent(number)
		i := slices.IndexFunc(sent, func(m SentCopy) bool { return m.ID == id })
		if err != nil || i < 0 {
			return false
		}
		out = sent[i]
		return fits == nil || fits(out)
	})
	return out
}

// TestFaultE8: what a linked device sends to a group its own phone shows as sent, with what becomes of it.
func TestFaultE8AGroupMessageIsSentNotReceived(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana, beto)
	name, err := e.AddGroup("los dos", []string{beto, ana})
	if err != nil {
		t.Fatal(err)
	}
	g, _ := types.ParseJID(name)
	c := pair(t, e, ana)
	id := sends(t, c, g, say("a todos"))
	if got := sentCopyOf(t, e, ana, id, nil); got.To != name || got.Text != "a todos" || got.FromDevice != ana+":1@s.whatsapp.net" {
		t.Fatalf("%+v", got)
	}
	if got := shown(t, e, beto, id, nil); got.Chat != name || got.From != ana {
		t.Fatalf("%+v", got)
	}
	lid := types.NewJID(lidOf(ana), types.HiddenUserServer)
	sends(t, c, g, c.BuildReaction(g, lid, id, "👍"))
	sends(t, c, g, c.BuildEdit(g, id, say("a los dos")))
	sentCopyOf(t, e, ana, id, func(m SentCopy) bool { return m.Edited && m.Text == "a los dos" && len(m.Reactions) == 1 })
	shown(t, e, beto, id, func(m Message) bool { return m.Edited && m.Text == "a los dos" && len(m.Reactions) == 1 })
	sends(t, c, g, c.BuildRevoke(g, types.EmptyJID, id))
	sentCopyOf(t, e, ana, id, func(m SentCopy) bool { return m.Revoked && m.Text == "" })
	if inbox, err := e.Inbox(ana); err != nil || len(inbox) != 0 {
		t.Fatalf("the sender's own phone shows as received: %+v %v", inbox, err)
	}
	if sent, err := e.Sent(ana); err != nil || len(sent) != 1 {
		t.Fatalf("%+v %v", sent, err)
	}
}

// A group may be of one account alone: what its device writes there its phone shows as sent, and what
// the phone writes there its device gets.
func TestAGroupOfOneAccount(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana)
	name, err := e.AddGroup("sola", []string{ana, ana})
	if err != nil {
		t.Fatal(err)
	}
	g, _ := types.ParseJID(name)
	if _, err := e.Write(ana, Writing{To: name, Text: "nadie"}); !errors.Is(err, ErrConflict) {
		t.Fatal(err)
	}
	c := pair(t, e, ana)
	id := sends(t, c, g, say("para mí"))
	sentCopyOf(t, e, ana, id, func(m SentCopy) bool { return m.To == name && m.Text == "para mí" })
	if id, err = e.Write(ana, Writing{To: name, Text: "del teléfono"}); err != nil {
		t.Fatal(err)
	}
	if m := awaitID(c, id); !m.Info.IsFromMe || m.Message.GetConversation() != "del teléfono" {
		t.Fatalf("%+v", m.Info)
	}
	if s := e.Stats(); s.Empty+s.Undecryptable != 0 || s.Messages != 2 {
		t.Fatalf("%+v", s)
	}
}

// TestFaultE9: reactions, edits and deletions change what the phone shows.
func TestFaultE9WhatIsDoneToAMessage(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana, beto)
	c := pair(t, e, ana)
	to := userJID(beto)
	own := types.NewJID(lidOf(ana), types.HiddenUserServer)
	id := sends(t, c, to, say("hola"))
	if got := shown(t, e, beto, id, nil); got.Type != "text" || got.Reactions != nil || got.Edited || got.Revoked {
		t.Fatalf("%+v", got)
	}
	for _, emoji := range []string{"👍", "❤", ""} {
		want := []Reaction{}
		if emoji != "" {
			want = []Reaction{{From: ana, Emoji: emoji}}
		}
		sends(t, c, to, c.BuildReaction(to, own, id, emoji))
		shown(t, e, beto, id, func(m Message) bool { return reflect.DeepEqual(m.Reactions, want) })
	}
	sends(t, c, to, c.BuildEdit(to, id, say("chau")))
	shown(t, e, beto, id, func(m Message) bool { return m.Edited && m.Text == "chau" })
	sends(t, c, to, c.BuildRevoke(to, types.EmptyJID, id))
	shown(t, e, beto, id, func(m Message) bool { return m.Revoked && m.Text == "" })
	if inbox, err := e.Inbox(beto); err != nil || len(inbox) != 1 {
		t.Fatalf("%+v %v", inbox, err)
	}
	sentCopyOf(t, e, ana, id, func(m SentCopy) bool { return m.Revoked }) // on the own phone too

	// What is done to what the phone wrote itself is an entry of its own.
	mine, err := e.SendMessage(beto, ana, "de mi parte")
	if err != nil {
		t.Fatal(err)
	}
	awaitID(c, mine)
	reaction := sends(t, c, to, c.BuildReaction(to, types.NewJID(lidOf(beto), types.HiddenUserServer), mine, "😀"))
	got := shown(t, e, beto, reaction, nil)
	if got.Type != typeReaction || got.Text != "😀" || got.ReplyTo == nil || *got.ReplyTo != (ReplyTo{ID: mine, Sender: beto}) {
		t.Fatalf("%+v", got)
	}
}

// An edit of what is listed changes it only where its author sent the edit.
func TestFaultE9NobodyChangesWhatIsAnothers(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana, beto, caro)
	name, err := e.AddGroup("los tres", []string{beto, ana, caro})
	if err != nil {
		t.Fatal(err)
	}
	g, _ := types.ParseJID(name)
	a, c := pair(t, e, ana), pair(t, e, caro)
	id := sends(t, a, g, say("de Ana"))
	shown(t, e, beto, id, nil)
	author := types.NewJID(lidOf(ana), types.HiddenUserServer)
	edit := c.BuildEdit(g, id, say("nunca lo dije"))
	edit.EditedMessage.Message.ProtocolMessage.Key = c.BuildMessageKey(g, author, id)
	awaitKind(t, e, KindClientError, sends(t, c, g, edit))
	awaitKind(t, e, KindClientError, sends(t, c, g, c.BuildRevoke(g, author, id)))
	if got := shown(t, e, beto, id, nil); got.Text != "de Ana" || got.Edited || got.Revoked {
		t.Fatalf("%+v", got)
	}
	// Who made the group may delete.
	admin := pair(t, e, beto)
	sends(t, admin, g, admin.BuildRevoke(g, author, id))
	shown(t, e, caro, id, func(m Message) bool { return m.Revoked })
}

// A change that comes before its message is done once that comes.
func TestFaultE9AChangeBeforeItsMessage(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana, beto)
	c := pair(t, e, ana)
	to := userJID(beto)
	early := sends(t, c, to, c.BuildEdit(to, "LATER", say("ya corregido")))
	if got := shown(t, e, beto, early, nil); got.Type != typeEdit || got.Text != "ya corregido" || got.ReplyTo.ID != "LATER" {
		t.Fatalf("%+v", got)
	}
	if _, err := c.SendMessage(t.Context(), to, say("errado"), extra("LATER")); err != nil {
		t.Fatal(err)
	}
	shown(t, e, beto, "LATER", func(m Message) bool { return m.Edited && m.Text == "ya corregido" })
}

// TestFaultE9 for what a message may be beside a text.
func TestFaultE9KindsOfMessages(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana, beto)
	c := pair(t, e, ana)
	to := userJID(beto)
	card := "BEGIN:VCARD\nVERSION:3.0\nFN:Eva\nTEL;type=CELL;waid=5491100000009:+54 9 11 0000-0009\nEND:VCARD"
	plainCard := "BEGIN:VCARD\nFN:Bar\nitem1.TEL:+54 11 4000-0000\nEND:VCARD"
	wrap := func(m *waE2E.Message) *waE2E.FutureProofMessage { return &waE2E.FutureProofMessage{Message: m} }
	first := sends(t, c, to, say("primero"))
	mentioning := &waE2E.ContextInfo{
		StanzaID: &first, Participant: proto.String(lidOf(ana) + "@lid"), QuotedMessage: say("primero"),
		MentionedJID: []string{lidOf(beto) + "@lid", beto + "@s.whatsapp.net"}, NonJIDMentions: proto.Uint32(1),
	}
	for _, k := range []struct {
		message *waE2E.Message
		want    Content
	}{
		{&waE2E.Message{LocationMessage: &waE2E.LocationMessage{
			DegreesLatitude: proto.Float64(-34.6), DegreesLongitude: proto.Float64(-58.4),
			Name: proto.String("Obelisco"), Address: proto.String("9 de Julio"),
		}}, Content{Type: "location", Location: &Location{-34.6, -58.4, "Obelisco", "9 de Julio"}}},
		{&waE2E.Message{LiveLocationMessage: &waE2E.LiveLocationMessage{DegreesLatitude: proto.Float64(1), DegreesLongitude: proto.Float64(2)}},
			Content{Type: "location", Location: &Location{Latitude: 1, Longitude: 2}}},
		{&waE2E.Message{ContactMessage: &waE2E.ContactMessage{DisplayName: proto.String("Eva"), Vcard: &card}},
			Content{Type: "contact", Contacts: []Contact{{"Eva", "5491100000009", card}}}},
		{&waE2E.Message{ContactsArrayMessage: &waE2E.ContactsArrayMessage{Contacts: []*waE2E.ContactMessage{
			{DisplayName: proto.String("Eva"), Vcard: &card}, {DisplayName: proto.String("Bar"), Vcard: &plainCard}}}},
			Content{Type: "contact", Contacts: []Contact{{"Eva", "5491100000009", card}, {"Bar", "541140000000", plainCard}}}},
		{&waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{Text: proto.String("@todos"), ContextInfo: mentioning}},
			Content{Type: "text", Text: "@todos", Mentions: []string{beto, beto, "all"}, ReplyTo: &ReplyTo{first, ana, "primero"}}},
		{&waE2E.Message{EphemeralMessage: wrap(say("se borra"))}, Content{Type: "text", Text: "se borra"}},
		{&waE2E.Message{ViewOnceMessageV2: wrap(&waE2E.Message{ImageMessage: &waE2E.ImageMessage{Caption: proto.String("una vez")}})},
			Content{Type: "image", Caption: "una vez"}},
		{&waE2E.Message{DocumentWithCaptionMessage: wrap(&waE2E.Message{DocumentMessage: &waE2E.DocumentMessage{Caption: proto.String("pdf")}})},
			Content{Type: "document", Caption: "pdf"}},
		{&waE2E.Message{AudioMessage: &waE2E.AudioMessage{PTT: proto.Bool(true)}}, Content{Type: "voice"}},
		{&waE2E.Message{AudioMessage: &waE2E.AudioMessage{}}, Content{Type: "audio"}},
		{&waE2E.Message{StickerMessage: &waE2E.StickerMessage{}}, Content{Type: "sticker"}},
		{&waE2E.Message{EventMessage: &waE2E.EventMessage{Name: proto.String("asado")}}, Content{Type: "event"}},
	} {
		got := shown(t, e, beto, sends(t, c, to, k.message), nil).Content
		if !reflect.DeepEqual(got, k.want) {
			t.Errorf("%+v, want %+v", got, k.want)
		}
	}
}

// TestFaultE9 for what is encrypted with another message's secret: votes, edits and reactions.
func TestFaultE9WhatIsEncryptedWithAMessagesSecret(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana, beto)
	c := pair(t, e, ana)
	to := types.NewJID(lidOf(beto), types.HiddenUserServer)
	own := types.NewJID(lidOf(ana), types.HiddenUserServer)
	info := func(id string) *types.MessageInfo {
		return &types.MessageInfo{ID: id, MessageSource: types.MessageSource{Chat: to, Sender: own, IsFromMe: true}}
	}
	poll := sends(t, c, to, c.BuildPollCreation("¿Cuándo?", []string{"hoy", "mañana", "nunca"}, 2))
	got := shown(t, e, beto, poll, nil)
	want := &Poll{Name: "¿Cuándo?", Options: []string{"hoy", "mañana", "nunca"}, Selectable: 2}
	if got.Type != "poll" || !reflect.DeepEqual(got.Poll, want) {
		t.Fatalf("%+v", got.Poll)
	}
	for _, chosen := range [][]string{{"hoy", "nunca"}, {"mañana"}, {}} {
		vote, err := c.BuildPollVote(t.Context(), info(poll), chosen)
		if err != nil {
			t.Fatal(err)
		}
		sends(t, c, to, vote)
		var want []Vote
		if len(chosen) > 0 {
			want = []Vote{{From: ana, Options: chosen}}
		}
		shown(t, e, beto, poll, func(m Message) bool {
			return slices.EqualFunc(m.Poll.Votes, want, func(a, b Vote) bool { return reflect.DeepEqual(a, b) })
		})
	}

	key := random(32)
	text := say("hola")
	text.MessageContextInfo = &waE2E.MessageContextInfo{MessageSecret: key}
	id := sends(t, c, to, text)
	edited, err := proto.Marshal(c.BuildEdit(to, id, say("chau")).GetEditedMessage().GetMessage())
	if err != nil {
		t.Fatal(err)
	}
	iv := random(12)
	derived := hkdfutil.SHA256(key, nil, []byte(id+own.String()+own.String()+"Message Edit"), 32)
	payload, err := gcmutil.Encrypt(derived, iv, edited, nil)
	if err != nil {
		t.Fatal(err)
	}
	target := &waCommon.MessageKey{RemoteJID: proto.String(to.String()), FromMe: proto.Bool(true), ID: &id}
	sends(t, c, to, &waE2E.Message{SecretEncryptedMessage: &waE2E.SecretEncryptedMessage{
		TargetMessageKey: target, EncIV: iv, EncPayload: payload, SecretEncType: waE2E.SecretEncryptedMessage_MESSAGE_EDIT.Enum()}})
	shown(t, e, beto, id, func(m Message) bool { return m.Edited && m.Text == "chau" })

	sealed, err := c.EncryptReaction(t.Context(), info(id), &waE2E.ReactionMessage{Text: proto.String("👍")})
	if err != nil {
		t.Fatal(err)
	}
	sealed.TargetMessageKey = target
	sends(t, c, to, &waE2E.Message{EncReactionMessage: sealed})
	shown(t, e, beto, id, func(m Message) bool { return reflect.DeepEqual(m.Reactions, []Reaction{{From: ana, Emoji: "👍"}}) })

	// What cannot be read is booked, and changes nothing.
	sealed.EncPayload[0] ^= 1
	awaitKind(t, e, KindUndecryptable, sends(t, c, to, &waE2E.Message{EncReactionMessage: sealed}))
}

func extra(id string) whatsmeow.SendRequestExtra { return whatsmeow.SendRequestExtra{ID: id} }
