package emulator

import (
	"fmt"
	"slices"
	"testing"

	"go.mau.fi/whatsmeow/types/events"
)

// Two phones begin a session at the same moment, and their texts go on crossing: each is of the
// session that the other side began, and none needs a retry.
func TestFaultA1PhonesUnderstandEachOtherAfterCrossing(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana, beto)
	for round := range 6 {
		if err := e.SetFault(Fault{Kind: FaultAway, Number: "*"}); err != nil {
			t.Fatal(err)
		}
		for from, to := range map[string]string{ana: beto, beto: ana} {
			if _, err := e.SendMessage(from, to, fmt.Sprint(round)); err != nil {
				t.Fatal(err)
			}
		}
		e.ClearFaults()
		for _, number := range []string{ana, beto} {
			if inbox := inboxOf(t, e, number, round+1); inbox[round].Text != fmt.Sprint(round) {
				t.Errorf("round %d: %s got %+v", round, number, inbox[round])
			}
		}
	}
	if n := e.Stats().Undecryptable; n != 0 {
		t.Errorf("%d texts could not be decrypted", n)
	}
}

// A phone that loses its sessions asks again for what comes in them, and begins a new one for what it
// sends.
func TestAPhoneForgetsItsSessions(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana, beto)
	c := pair(t, e, ana)
	var texts []string
	for n := range 3 {
		text := fmt.Sprint("hola ", n)
		texts = append(texts, text)
		if _, err := c.SendMessage(t.Context(), userJID(beto), say(text)); err != nil {
			t.Fatal(err)
		}
		inboxOf(t, e, beto, n+1)
		id, err := e.SendMessage(beto, ana, text)
		if err != nil {
			t.Fatal(err)
		}
		await(c, func(m *events.Message) bool { return m.Info.ID == id })
		if err := e.ForgetSessions(beto); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, m := range inboxOf(t, e, beto, 3) {
		got = append(got, m.Text)
	}
	if s := e.Stats(); !slices.Equal(got, texts) || s.Undecryptable == 0 || s.RatchetForks != 0 {
		t.Errorf("inbox %q, stats %+v", got, s)
	}
	if err := e.ForgetSessions("999"); err == nil {
		t.Error("nobody's phone has lost its sessions")
	}
}
