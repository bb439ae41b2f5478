package emulator

import (
	"slices"
	"testing"

	"go.mau.fi/libsignal/groups"
	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// marshal is a message as it is encrypted.
func marshal(t *testing.T, m *waE2E.Message) []byte {
	t.Helper()
	raw, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

var unreadable = node{Tag: "enc", Attrs: attrs{"v": "2", "type": "msg"}, Content: []byte("nobody can read this")}

// acked waits for the server's word on a message and returns the code that it was refused with.
func (w *wire) acked(id string) int {
	w.t.Helper()
	return number(w.next("ack", func(n *node) bool { return text(n, "id") == id && text(n, "class") == "message" }), "error")
}

// asked waits until a device asks for a message again.
func (w *wire) asked(id string, by types.JID) {
	w.t.Helper()
	n := w.next("receipt", func(n *node) bool {
		return text(n, "id") == id && text(n, "type") == "retry" && (jid(n, "from") == by || jid(n, "participant") == by)
	})
	w.send(node{Tag: "ack", Attrs: attrs{"id": id, "class": "receipt", "type": "retry", "to": jid(n, "from"), "participant": n.Attrs["participant"]}})
}

func shows(t *testing.T, e *Emulator, number, id string) {
	t.Helper()
	eventually(t, number+" shows "+id, func() bool {
		inbox, err := e.Inbox(number)
		return err == nil && slices.ContainsFunc(inbox, func(m Message) bool { return m.ID == id && m.Text != "" })
	})
}

// A message that was asked for again may come in any of the ways that clients send it: it is
// delivered, and it is no duplicate. The request is an event.
func TestFaultE5AResendThatWasAskedFor(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, beto)
	w := newWire(t, e, ana)
	w.login(loginAs{})
	to := lidJID(beto)
	for _, c := range []struct {
		id   string
		more attrs
		to   types.JID
		wrap bool
	}{
		{"DIRECT", nil, to, false},            // nothing but the ciphertext
		{"NUMBER", nil, userJID(beto), false}, // the same, by number
		{"WHOLE", nil, to, true},              // the whole message for everybody
		{"WHOLE-NUMBER", nil, userJID(beto), true},
		{"MARKED", attrs{"device_fanout": "false"}, to, false}, // as whatsmeow does
	} {
		w.send(node{Tag: "message", Attrs: attrs{"id": c.id, "to": c.to, "type": "text"}, Content: []node{{Tag: "participants", Content: []node{within(to, unreadable)}}}})
		if code := w.acked(c.id); code != 0 {
			t.Fatalf("%s: refused with %d", c.id, code)
		}
		w.asked(c.id, to)
		if ev := awaitKind(t, e, KindRetry, c.id); ev.Number != beto || ev.Code != 1 {
			t.Fatalf("%s: %+v", c.id, ev)
		}
		enc := w.seal(to, marshal(t, say("otra vez")))
		content := []node{enc, w.identity()}
		if c.wrap {
			content = []node{{Tag: "participants", Content: []node{within(to, enc)}}, w.identity()}
		}
		w.send(with(node{Tag: "message", Attrs: attrs{"id": c.id, "to": c.to, "type": "text"}, Content: content}, c.more))
		if code := w.acked(c.id); code != 0 {
			t.Fatalf("%s: the resend was refused with %d", c.id, code)
		}
		shows(t, e, beto, c.id)
	}
	if s := e.Stats(); s.Duplicates != 0 || s.Empty != 0 || s.Messages != 5 {
		t.Fatalf("stats: %+v", s)
	}
	// Nobody asked for this one.
	enc := w.seal(to, marshal(t, say("y otra")))
	w.send(node{Tag: "message", Attrs: attrs{"id": "WHOLE", "to": to, "type": "text"}, Content: []node{{Tag: "participants", Content: []node{within(to, enc)}}, w.identity()}})
	w.acked("WHOLE")
	if s := e.Stats(); s.Duplicates != 1 {
		t.Fatalf("%d duplicates, want the one that nobody asked for", s.Duplicates)
	}
}

// senderKey makes a group message as the client's own device: the key for others, and a ciphertext.
func (w *wire) senderKey(group types.JID, m *waE2E.Message) (*waE2E.Message, node) {
	w.t.Helper()
	builder := groups.NewGroupSessionBuilder(w.device, signal)
	name := protocol.NewSenderKeyName(group.String(), w.device.LID.SignalAddress())
	key, err := builder.Create(w.t.Context(), name)
	if err != nil {
		w.t.Fatal(err)
	}
	sealed, err := groups.NewGroupCipher(builder, name, w.device).Encrypt(w.t.Context(), pad(marshal(w.t, m)))
	if err != nil {
		w.t.Fatal(err)
	}
	return &waE2E.Message{SenderKeyDistributionMessage: &waE2E.SenderKeyDistributionMessage{
			GroupID: proto.String(group.String()), AxolotlSenderKeyDistributionMessage: key.Serialize()}},
		node{Tag: "enc", Attrs: attrs{"v": "2", "type": "skmsg"}, Content: sealed.SignedSerialize()}
}

// In a group each member without the key asks. The answer is for one of them, or for all again.
func TestFaultE5AResendInAGroup(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, beto, caro)
	w := newWire(t, e, ana)
	name, err := e.AddGroup("grupo", []string{ana, beto, caro})
	if err != nil {
		t.Fatal(err)
	}
	group, _ := types.ParseJID(name)
	w.login(loginAs{})
	send := func(id string, more attrs, content ...node) {
		t.Helper()
		w.send(with(node{Tag: "message", Attrs: attrs{"id": id, "to": group, "type": "text"}, Content: content}, more))
		if code := w.acked(id); code != 0 {
			t.Fatalf("%s: refused with %d", id, code)
		}
	}
	key, sealed := w.senderKey(group, say("a todos"))
	send("ALL", nil, sealed)
	for range 2 { // whichever is first
		n := w.next("receipt", func(n *node) bool { return text(n, "type") == "retry" && jid(n, "from") == group })
		if by := jid(n, "participant"); by.User != lidOf(ana) && by.User != lidOf(beto) && by.User != lidOf(caro) {
			t.Fatal(n)
		}
	}
	shares := []node{{Tag: "participants", Content: []node{
		within(lidJID(ana), w.seal(lidJID(ana), marshal(t, key))),
		within(lidJID(beto), w.seal(lidJID(beto), marshal(t, key))), within(lidJID(caro), w.seal(lidJID(caro), marshal(t, key)))}}, sealed, w.identity()}
	send("ALL", nil, shares...)
	shows(t, e, beto, "ALL")
	shows(t, e, caro, "ALL")
	_, other := w.senderKey(group, say("a uno"))
	other.Content = append(slices.Clone(bytesOf(&other)), 0) // nobody can read it
	send("ONE", nil, other)
	w.asked("ONE", lidJID(beto))
	send("ONE", attrs{"participant": lidJID(beto), "device_fanout": "false"}, w.seal(lidJID(beto), marshal(t, say("a uno"))), w.identity())
	shows(t, e, beto, "ONE")
	if s := e.Stats(); s.Duplicates != 0 || s.Empty != 0 || s.Messages != 2 || s.Retries < 3 {
		t.Fatalf("stats: %+v", s)
	}
}

// What stands beside a ciphertext is passed on with it, but for what is the server's.
func TestFaultE11WhatStandsBesideACiphertext(t *testing.T) {
	e := start(t, Options{})
	w, other := newWire(t, e, ana), newWire(t, e, beto)
	name, err := e.AddGroup("grupo", []string{ana, beto})
	if err != nil {
		t.Fatal(err)
	}
	group, _ := types.ParseJID(name)
	w.login(loginAs{})
	other.login(loginAs{})
	beside := []node{
		{Tag: "meta", Attrs: attrs{"polltype": "creation"}},
		{Tag: "reporting", Content: []node{{Tag: "reporting_tag", Content: []byte{1, 2, 3}}}},
		{Tag: "tctoken", Content: []byte{4}},
	}
	lid := other.device.LID
	key, sealed := w.senderKey(group, say("encuesta"))
	for id, stanza := range map[string]node{
		"POLL":  {Attrs: attrs{"to": lidJID(beto)}, Content: append([]node{{Tag: "participants", Content: []node{within(lid, w.seal(lid, marshal(t, say("encuesta"))))}}, w.identity()}, beside...)},
		"AGAIN": {Attrs: attrs{"to": lid}, Content: append([]node{w.seal(lid, marshal(t, say("encuesta"))), w.identity()}, beside...)},
		"GROUP": {Attrs: attrs{"to": group}, Content: append([]node{{Tag: "participants", Content: []node{within(lid, w.seal(lid, marshal(t, key)))}}, sealed, w.identity()}, beside...)},
	} {
		stanza.Tag = "message"
		w.send(with(stanza, attrs{"id": id, "type": "poll"}))
		n := other.next("message", func(n *node) bool { return text(n, "id") == id })
		meta, _ := child(n, "meta")
		reporting, _ := child(n, "reporting")
		if meta == nil || text(meta, "polltype") != "creation" || reporting == nil || !slices.Equal(childBytes(reporting, "reporting_tag"), []byte{1, 2, 3}) {
			t.Fatalf("%s: %v", id, n)
		}
		for _, c := range n.GetChildren() {
			if c.Tag == "tctoken" || c.Tag == "participants" {
				t.Fatalf("%s: <%s> was passed on", id, c.Tag)
			}
		}
		if identities := len(n.GetChildrenByTag("device-identity")); identities != 1 {
			t.Fatalf("%s: %d identities", id, identities)
		}
	}
}
