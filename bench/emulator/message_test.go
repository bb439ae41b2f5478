package emulator

import (
	"testing"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"
)

const (
	ana  = "5491100000001"
	beto = "5491100000002"
	caro = "5491100000003"
)

func say(text string) *waE2E.Message { return &waE2E.Message{Conversation: proto.String(text)} }

func userJID(number string) types.JID { return types.NewJID(number, types.DefaultUserServer) }

// inboxOf waits for a phone's inbox to hold n messages.
func inboxOf(t *testing.T, e *Emulator, number string, n int) []Message {
	t.Helper()
	var inbox []Message
	eventually(t, "inbox of "+number, func() bool {
		inbox, _ = e.Inbox(number)
		return len(inbox) >= n
	})
	return inbox
}

func TestAMessageGoesBothWays(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana, beto)
	c := pair(t, e, ana)

	sent, err := c.SendMessage(t.Context(), userJID(beto), say("hola"))
	if err != nil {
		t.Fatal(err)
	}
	inbox := inboxOf(t, e, beto, 1)
	got := inbox[0]
	if got.ID != sent.ID || got.Text != "hola" || got.From != ana || got.FromDevice != ana+":1@s.whatsapp.net" || got.Copies != 1 {
		t.Fatalf("inbox: %+v", got)
	}
	await(c, func(r *events.Receipt) bool { return r.MessageIDs[0] == sent.ID && r.Sender.Device == 0 })
	eventually(t, "the own phone's copy", func() bool {
		own, _ := e.Sent(ana)
		return len(own) == 1 && own[0].Text == "hola" && own[0].To == beto
	})

	id, err := e.SendMessage(beto, ana, "qué tal")
	if err != nil {
		t.Fatal(err)
	}
	m := await(c, func(m *events.Message) bool { return m.Info.ID == id })
	if m.Message.GetConversation() != "qué tal" || m.Info.SenderAlt.User != beto || m.Info.PushName != "phone "+beto {
		t.Fatalf("message: %+v", m.Info)
	}
	eventually(t, "the queue to be settled", func() bool { return e.Devices()[0].Queued == 0 })
	s := e.Stats()
	if s.Messages != 2 || s.Duplicates+s.Undecryptable+s.RatchetForks+s.Overlaps+s.Conflicts+s.Unknown != 0 || s.Logins != 1 {
		t.Fatalf("stats: %+v; events: %+v", s, e.Events(0))
	}
}

func TestTheSameIDTwiceIsOneMessageWithTwoCopies(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana, beto)
	c := pair(t, e, ana)
	for range 2 {
		if _, err := c.SendMessage(t.Context(), userJID(beto), say("una vez"), whatsmeow.SendRequestExtra{ID: "SAMEID"}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "two copies", func() bool {
		inbox, _ := e.Inbox(beto)
		return len(inbox) == 1 && inbox[0].Copies == 2
	})
	if s := e.Stats(); s.Duplicates != 1 || s.RatchetForks != 0 || s.Messages != 1 {
		t.Fatalf("stats: %+v", s)
	}
}
