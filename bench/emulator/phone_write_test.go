package emulator

import (
	"errors"
	"strings"
	"testing"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
)

// awaitID waits until a client has shown its user the message of that ID. whatsmeow shows a group's
// sender key by itself, before the message that it came with.
func awaitID(c *client, id string) *events.Message {
	c.t.Helper()
	return await(c, func(m *events.Message) bool { return m.Info.ID == id && m.Message.SenderKeyDistributionMessage == nil })
}

// A phone reacts to, edits and deletes messages, in a chat and in a group; the client is told which
// message is meant, and whose it is.
func TestAPhoneReactsEditsAndRevokes(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana, beto, caro)
	group, err := e.AddGroup("los tres", []string{beto, ana, caro})
	if err != nil {
		t.Fatal(err)
	}
	c := pair(t, e, ana)
	must := func(id string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	for _, chat := range []string{ana, group} {
		own := must(e.Write(beto, Writing{To: chat, Text: "hola", ID: "CHOSEN-" + chat[:5]}))
		if m := awaitID(c, own); m.Message.GetConversation() != "hola" || m.Info.IsGroup != (chat == group) {
			t.Fatalf("%+v", m.Info)
		}
		edit := awaitID(c, must(e.Edit(beto, Writing{ID: own, Text: "chau"})))
		changed := edit.Message.GetProtocolMessage()
		if !edit.IsEdit || edit.Info.Edit != types.EditAttributeMessageEdit || changed.GetKey().GetID() != own ||
			changed.GetEditedMessage().GetConversation() != "chau" {
			t.Fatalf("%+v", edit)
		}
		gone := awaitID(c, must(e.Revoke(beto, Writing{ID: own}))).Message.GetProtocolMessage()
		if gone.GetType() != waE2E.ProtocolMessage_REVOKE || gone.GetKey().GetID() != own || !gone.GetKey().GetFromMe() {
			t.Fatalf("%+v", gone)
		}
		for _, emoji := range []string{"👍", ""} {
			reaction := awaitID(c, must(e.React(beto, Writing{ID: own, Emoji: emoji}))).Message.GetReactionMessage()
			if reaction == nil || reaction.GetText() != emoji || reaction.GetKey().GetID() != own {
				t.Fatalf("%+v", reaction)
			}
		}
	}
	// What the client itself wrote is known by whose it is.
	to := userJID(beto)
	sent, err := c.SendMessage(t.Context(), to, say("mío"))
	if err != nil {
		t.Fatal(err)
	}
	inboxOf(t, e, beto, 1)
	if key := awaitID(c, must(e.React(beto, Writing{ID: sent.ID, Emoji: "❤"}))).Message.GetReactionMessage().GetKey(); key.GetFromMe() {
		t.Fatalf("%+v", key)
	}
	g, _ := types.ParseJID(group)
	if sent, err = c.SendMessage(t.Context(), g, say("de todos")); err != nil {
		t.Fatal(err)
	}
	inboxOf(t, e, beto, 2)
	key := awaitID(c, must(e.React(beto, Writing{ID: sent.ID, Emoji: "❤"}))).Message.GetReactionMessage().GetKey()
	if key.GetFromMe() || key.GetParticipant() != lidOf(ana)+"@lid" || key.GetRemoteJID() != group {
		t.Fatalf("%+v", key)
	}
	// An admin deletes what another has written, and nobody else does.
	if deleted := awaitID(c, must(e.Revoke(beto, Writing{ID: sent.ID}))); deleted.Info.Edit != types.EditAttributeAdminRevoke {
		t.Fatalf("%+v", deleted.Info)
	}
	for what, err := range map[string]error{
		"a stranger's edit":      second(e.Edit(beto, Writing{ID: sent.ID, Text: "x"})),
		"a stranger's deletion":  second(e.Revoke(caro, Writing{ID: sent.ID})),
		"a deletion in a chat":   second(e.Revoke(caro, Writing{ID: sent.ID, To: ana})),
		"a second phone's claim": second(e.Edit(caro, Writing{ID: sent.ID, To: group, Sender: ana, Text: "x"})),
	} {
		if !errors.Is(err, ErrConflict) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if s := e.Stats(); s.Undecryptable+s.RatchetForks+s.Retries != 0 {
		t.Fatalf("%+v", s)
	}
}

func second(_ string, err error) error { return err }

// IDs are chosen by senders: two may choose the same one, and both messages come and are settled.
func TestTwoPhonesWriteWithOneID(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana, beto, caro)
	c := pair(t, e, ana)
	for _, number := range []string{beto, caro} {
		if id, err := e.Write(number, Writing{To: ana, Text: "de " + number, ID: "SAME"}); id != "SAME" || err != nil {
			t.Fatal(id, err)
		}
	}
	for _, number := range []string{beto, caro} {
		await(c, func(m *events.Message) bool {
			return m.Info.ID == "SAME" && m.Message.GetConversation() == "de "+number
		})
	}
	eventually(t, "both to be settled", func() bool { return e.Devices()[0].Queued == 0 })
	if s := e.Stats(); s.Messages != 2 || s.Duplicates != 0 {
		t.Fatalf("%+v", s)
	}
}

// A name may hold whatever a phone lets its user type, a NUL too.
func TestANameWithANUL(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana)
	if status, answer := call(t, e, "POST", "/phones", `{"number":"`+beto+`","name":"Eva\u0000X"}`); status != 201 {
		t.Fatal(status, answer)
	}
	c := pair(t, e, ana)
	id, err := e.SendMessage(beto, ana, "hola")
	if err != nil {
		t.Fatal(err)
	}
	if name := awaitID(c, id).Info.PushName; name != "Eva\x00X" {
		t.Fatalf("%q", name)
	}
}

// A phone that was installed anew has another identity; who writes to it, or hears from it, gets over
// it, told or not.
func TestReinstall(t *testing.T) {
	for _, tell := range []bool{false, true} {
		e := start(t, Options{})
		addPhones(t, e, ana, beto)
		c := pair(t, e, ana)
		linked := pair(t, e, beto)
		sendTo(t, c, beto, "antes")
		inboxOf(t, e, beto, 1)
		id, err := e.SendMessage(beto, ana, "antes")
		if err != nil {
			t.Fatal(err)
		}
		awaitID(c, id)
		was := e.accounts[beto].phone.identityKey()
		if status, answer := call(t, e, "POST", "/phones/"+beto+"/reinstall", `{"tell":`+map[bool]string{true: "true", false: "false"}[tell]+`}`); status != 200 {
			t.Fatal(status, answer)
		}
		if e.accounts[beto].phone.identityKey() == was {
			t.Fatal("the same identity")
		}
		await[*events.LoggedOut](linked, nil)
		sendTo(t, c, beto, "después")
		if m := inboxOf(t, e, beto, 2)[1]; m.Text != "después" {
			t.Fatalf("%+v", m)
		}
		if id, err = e.SendMessage(beto, ana, "soy yo"); err != nil {
			t.Fatal(err)
		}
		awaitID(c, id)
		if s := e.Stats(); s.RatchetForks != 0 {
			t.Fatalf("%+v", s)
		}
	}
}

// Whoever looks up another national form of a number is told the number.
func TestFormsOfANumber(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana)
	if status, answer := call(t, e, "POST", "/phones", `{"number":"5491155550001","name":"Eva","forms":["541155550001"]}`); status != 201 {
		t.Fatal(status, answer)
	}
	for _, taken := range []string{`{"number":"541155550001"}`, `{"number":"` + beto + `","forms":["5491155550001"]}`} {
		if status, answer := call(t, e, "POST", "/phones", taken); status != 409 {
			t.Fatal(taken, status, answer)
		}
	}
	c := pair(t, e, ana)
	found, err := c.IsOnWhatsApp(t.Context(), []string{"+541155550001", "+541155550002"})
	if err != nil || len(found) != 2 || !found[0].IsIn || found[0].PhoneNumber.User != "5491155550001" || found[1].IsIn {
		t.Fatalf("%+v %v", found, err)
	}
	info, err := c.GetUserInfo(t.Context(), []types.JID{userJID("541155550001")})
	if err != nil || len(info) != 0 {
		t.Fatalf("a JID is known by one form only: %+v %v", info, err)
	}
}

func TestWhatAPhoneDoesNotWrite(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana, beto)
	pair(t, e, ana)
	group, err := e.AddGroup("otros", []string{ana, beto})
	if err != nil {
		t.Fatal(err)
	}
	addPhones(t, e, caro)
	long := strings.Repeat("ñ", maxText)
	for _, c := range []struct {
		what, body string
		status     int
		says       string
	}{
		{"messages", `{"to":"` + ana + `","text":"` + long + `"}`, 200, "id"},
		{"messages", `{"to":"` + ana + `","text":"` + long + `x"}`, 400, "65537 characters"},
		{"messages", `{"to":"` + ana + `","text":"x","id":"a b"}`, 400, "visible ASCII"},
		{"messages", `{"to":"` + ana + `","text":"x","type":"image"}`, 400, "image"},
		{"messages", `{"text":"x"}`, 400, "to"},
		{"messages", `{"to":"1@g.us","text":"x"}`, 404, "1@g.us"},
		{"messages", `{"to":"` + group + `","text":"x"}`, 409, "403"},
		{"react", `{"to":"` + ana + `","emoji":"x"}`, 400, "id"},
		{"react", `{"id":"UNKNOWN","emoji":"x"}`, 404, "UNKNOWN"},
		{"react", `{"id":"UNKNOWN","emoji":"x","chat":"` + ana + `"}`, 200, "id"},
		{"react", `{"id":"UNKNOWN","emoji":"x","to":"` + group + `"}`, 400, "sender"},
		{"edit", `{"id":"UNKNOWN","text":"x"}`, 404, "UNKNOWN"},
		{"edit", `{"id":"UNKNOWN"}`, 400, "text"},
		{"edit", `{"id":"UNKNOWN","message":"x","to":"` + ana + `","sender":"` + caro + `"}`, 200, "id"},
		{"revoke", `{}`, 400, "id"},
		{"reinstall", `{"tell":"yes"}`, 400, "JSON"},
	} {
		status, answer := call(t, e, "POST", "/phones/"+caro+"/"+c.what, c.body)
		if status != c.status || !strings.Contains(answer, c.says) {
			t.Errorf("%s %.60s: %d %s, want %d and %q", c.what, c.body, status, answer, c.status, c.says)
		}
	}
}
