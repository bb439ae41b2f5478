package session

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"go.mau.fi/whatsmeow/util/gcmutil"
	"go.mau.fi/whatsmeow/util/hkdfutil"
	"google.golang.org/protobuf/proto"
)

// seal encrypts by the secret of the message that it refers to (msgsecret.go of whatsmeow).
func seal(t *testing.T, secret []byte, about string, by types.JID, use string, m proto.Message) (payload, iv []byte) {
	t.Helper()
	plain, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	sender := by.ToNonAD().String()
	key := hkdfutil.SHA256(secret, nil, []byte(about+sender+sender+use), 32)
	iv = make([]byte, 12)
	payload, err = gcmutil.Encrypt(key, iv, plain, nil)
	if err != nil {
		t.Fatal(err)
	}
	return payload, iv
}

// What happens to a message is stored as what it is, with the ID it names, before it is acknowledged.
func TestFaultA5EditsRevokesReactions(t *testing.T) {
	w := newWorld(t)
	m := newMemory(t)
	s := w.pair(m)
	ctx := context.Background()
	contact := types.NewJID(friend, types.DefaultUserServer)
	secret := make([]byte, 32)
	if err := s.client.Store.MsgSecrets.PutMessageSecret(ctx, contact, contact, "ORIGINAL", secret); err != nil {
		t.Fatal(err)
	}
	key := &waCommon.MessageKey{ID: proto.String("ORIGINAL"), RemoteJID: proto.String(contact.String())}
	unknown := &waCommon.MessageKey{ID: proto.String("NEVER SEEN"), RemoteJID: proto.String(contact.String())}
	words := &waE2E.Message{Conversation: proto.String("better")}
	edit := &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{Type: waE2E.ProtocolMessage_MESSAGE_EDIT.Enum(), Key: key, EditedMessage: words}}
	sealedEdit, editIV := seal(t, secret, "ORIGINAL", contact, "Message Edit", edit)
	sealedReaction, reactionIV := seal(t, secret, "ORIGINAL", contact, "Enc Reaction", &waE2E.ReactionMessage{Key: key, Text: proto.String("👍")})
	sealed := func(key *waCommon.MessageKey) *waE2E.Message {
		return &waE2E.Message{SecretEncryptedMessage: &waE2E.SecretEncryptedMessage{
			SecretEncType: waE2E.SecretEncryptedMessage_MESSAGE_EDIT.Enum(), TargetMessageKey: key, EncPayload: sealedEdit, EncIV: editIV}}
	}
	for id, c := range map[string]struct {
		message           *waE2E.Message
		event, about, has string // has: text, or the emoji
	}{
		"plain":    {words, eventMessage, "", "better"},
		"edit":     {edit, eventEdited, "ORIGINAL", "better"},
		"wrapped":  {&waE2E.Message{EditedMessage: &waE2E.FutureProofMessage{Message: edit}}, eventEdited, "ORIGINAL", "better"},
		"sealed":   {sealed(key), eventEdited, "ORIGINAL", "better"},
		"unseen":   {sealed(unknown), eventEdited, "NEVER SEEN", ""},
		"revoke":   {&waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{Type: waE2E.ProtocolMessage_REVOKE.Enum(), Key: key}}, eventRevoked, "ORIGINAL", ""},
		"reaction": {&waE2E.Message{ReactionMessage: &waE2E.ReactionMessage{Key: key, Text: proto.String("👍")}}, eventReaction, "ORIGINAL", "👍"},
		"taken":    {&waE2E.Message{ReactionMessage: &waE2E.ReactionMessage{Key: key, Text: proto.String("")}}, eventReaction, "ORIGINAL", ""},
		"secret":   {&waE2E.Message{EncReactionMessage: &waE2E.EncReactionMessage{TargetMessageKey: key, EncPayload: sealedReaction, EncIV: reactionIV}}, eventReaction, "ORIGINAL", "👍"},
		"vote":     {&waE2E.Message{PollUpdateMessage: &waE2E.PollUpdateMessage{PollCreationMessageKey: key, Vote: &waE2E.PollEncValue{}}}, eventVote, "ORIGINAL", ""},
		"keys":     {&waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{Type: waE2E.ProtocolMessage_APP_STATE_SYNC_KEY_SHARE.Enum()}}, "", "", ""},
	} {
		e := &events.Message{RawMessage: c.message, Info: types.MessageInfo{ID: id, PushName: "Ana\x00", Timestamp: time.Unix(1, 0),
			MessageSource: types.MessageSource{Chat: contact, Sender: contact, SenderAlt: types.NewJID("9", types.HiddenUserServer)}}}
		if !s.handle(s.client, e.UnwrapRaw()) {
			t.Errorf("%s is not acknowledged", id)
		}
		m.mu.Lock()
		in, stored := m.incoming[id]
		m.mu.Unlock()
		if stored != (c.event != "") || in.Event != c.event {
			t.Errorf("%s: stored %v as %q, want %q", id, stored, in.Event, c.event)
			continue
		}
		if !stored {
			continue
		}
		var p payload
		if err := json.Unmarshal(in.JSON, &p); err != nil {
			t.Fatal(err)
		}
		about, has := "", ""
		if p.RefersTo != nil {
			about = p.RefersTo.ID
		}
		for _, text := range []*string{p.Text, p.Emoji} {
			if text != nil {
				has += *text
			}
		}
		if p.ID != id || about != c.about || has != c.has || *p.Phone != friend || *p.LID != "9@lid" {
			t.Errorf("%s: %s", id, in.JSON)
		}
	}
}

// A message that cannot be decrypted is stored as such, but for what no app shows.
func TestFaultA4UndecryptableIsStored(t *testing.T) {
	w := newWorld(t)
	m := newMemory(t)
	s := w.pair(m)
	info := types.MessageInfo{ID: "X", MessageSource: types.MessageSource{Chat: types.NewJID(friend, types.DefaultUserServer), Sender: types.NewJID(friend, types.DefaultUserServer)}}
	hidden := info
	hidden.ID = "hidden"
	s.handle(s.client, &events.UndecryptableMessage{Info: info})
	s.handle(s.client, &events.UndecryptableMessage{Info: hidden, DecryptFailMode: events.DecryptFailHide})
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.incoming) != 1 || m.incoming["X"].Event != eventUndecryptable {
		t.Errorf("stored %+v", m.incoming)
	}
}

// What the store refuses is acknowledged: it would be refused again for ever.
func TestFaultB2RefusedIsAcknowledged(t *testing.T) {
	w := newWorld(t)
	m := newMemory(t)
	s := w.pair(m)
	m.mu.Lock()
	m.refuse = true
	m.mu.Unlock()
	logins := w.emu.Devices()[0].Logins
	if _, err := w.emu.SendMessage(friend, account, "refused"); err != nil {
		t.Fatal(err)
	}
	w.eventually("the message to be refused", func() bool { m.mu.Lock(); defer m.mu.Unlock(); return m.puts == 1 })
	if _, err := s.Send(context.Background(), message("k", "still there")); err != nil {
		t.Error(err)
	}
	if now := w.emu.Devices()[0].Logins; now != logins {
		t.Errorf("%d logins", now-logins)
	}
}
