package emulator

import (
	"testing"

	"go.mau.fi/whatsmeow/types/events"
)

// The device has lost its session with the phone: it asks again and gets the message.
func TestAPhoneAnswersRetryReceipts(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana, beto)
	c := pair(t, e, ana)
	if _, err := c.SendMessage(t.Context(), userJID(beto), say("hola")); err != nil {
		t.Fatal(err)
	}
	inboxOf(t, e, beto, 1)
	id, _ := e.SendMessage(beto, ana, "primero")
	await(c, func(m *events.Message) bool { return m.Info.ID == id })
	// A session from a pkmsg stays unacknowledged until an answer; this one is settled.
	if err := c.Store.Sessions.DeleteAllSessions(t.Context(), lidOf(beto)+"_1"); err != nil {
		t.Fatal(err)
	}
	id, _ = e.SendMessage(beto, ana, "segundo")
	m := await(c, func(m *events.Message) bool { return m.Info.ID == id })
	if m.Message.GetConversation() != "segundo" || m.RetryCount == 0 {
		t.Fatalf("message: retry %d, %v", m.RetryCount, m.Message)
	}
	if s := e.Stats(); s.Retries == 0 || s.RatchetForks != 0 {
		t.Fatalf("stats: %+v", s)
	}
}

// The phone has lost its session with the device: whatsmeow sends the message again.
func TestAPhoneAsksForWhatItCannotDecrypt(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana, beto)
	c := pair(t, e, ana)
	if _, err := c.SendMessage(t.Context(), userJID(beto), say("hola")); err != nil {
		t.Fatal(err)
	}
	inboxOf(t, e, beto, 1)
	id, _ := e.SendMessage(beto, ana, "respuesta") // so that the device's next is no pkmsg
	await(c, func(m *events.Message) bool { return m.Info.ID == id })

	a, _ := e.accountByNumber(beto)
	device := c.Store.LID
	a.phone.mu.Lock()
	_ = a.phone.store.Sessions.DeleteSession(t.Context(), device.SignalAddress().String())
	a.phone.mu.Unlock()

	sent, err := c.SendMessage(t.Context(), userJID(beto), say("otra vez"))
	if err != nil {
		t.Fatal(err)
	}
	inbox := inboxOf(t, e, beto, 2)
	if inbox[1].ID != sent.ID || inbox[1].Text != "otra vez" || inbox[1].Copies != 1 {
		t.Fatalf("inbox: %+v", inbox)
	}
	if s := e.Stats(); s.Undecryptable == 0 || s.RatchetForks+s.Duplicates != 0 {
		t.Fatalf("stats: %+v", s)
	}
}
