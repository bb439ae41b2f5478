package emulator

import (
	"strings"
	"testing"

	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
)

// A refused message is acknowledged with its code, and reaches nobody.
func TestNack(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana, beto)
	c := pair(t, e, ana)
	sendTo(t, c, beto, "antes")
	if status, answer := call(t, e, "POST", "/faults", `{"kind":"nack","number":"`+ana+`","code":"463","count":2}`); status != 200 {
		t.Fatal(status, answer)
	}
	for range 2 {
		_, err := c.SendMessage(t.Context(), userJID(beto), say("no"))
		if err == nil || !strings.Contains(err.Error(), "463") {
			t.Fatal(err)
		}
	}
	if len(e.Faults()) != 0 {
		t.Fatal("two uses did not use it up")
	}
	sendTo(t, c, beto, "después")
	inbox := inboxOf(t, e, beto, 2)
	if inbox[1].Text != "después" {
		t.Fatalf("%+v", inbox)
	}
	if s := e.Stats(); s.Messages != 2 || s.RatchetForks != 0 {
		t.Fatalf("%+v", s)
	}
}

func TestDupAck(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana, beto)
	c := pair(t, e, ana)
	fault(t, e, Fault{Kind: FaultDupAck, Number: ana})
	for range 3 {
		sendTo(t, c, beto, "hola")
	}
	inboxOf(t, e, beto, 3)
	twice := 0
	for _, ev := range e.Events(0) {
		if ev.Kind == KindDupAck {
			twice++
		}
	}
	if twice != 3 {
		t.Fatalf("%d acks came twice", twice)
	}
}

// A stream error comes now, at each login or once a client is active, with a code or a tag, and the
// socket goes with it unless it is said to stay.
func TestStreamErrors(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana)
	c := pair(t, e, ana)
	order := func(body string) {
		t.Helper()
		if status, answer := call(t, e, "POST", "/faults", body); status != 200 {
			t.Fatal(status, answer)
		}
	}
	order(`{"kind":"stream_error","number":"` + ana + `","code":599,"close":false}`)
	if got := await[*events.StreamError](c, nil); got.Code != "599" {
		t.Fatalf("%+v", got)
	}
	if e.Stats().Connected != 1 {
		t.Fatal("the socket was closed, though it was to stay")
	}
	if len(e.Faults()) != 0 {
		t.Fatal("an error that comes now stays in force")
	}
	c.forget()
	order(`{"kind":"stream_error","number":"*","code":"503"}`)
	await[*events.Disconnected](c, nil)
	await[*events.Connected](c, nil) // by its own reconnect

	order(`{"kind":"stream_error","number":"` + ana + `","tag":"conflict"}`)
	await[*events.StreamReplaced](c, nil)
	if s := e.Stats(); s.Overlaps+s.Conflicts != 0 {
		t.Fatalf("%+v", s)
	}
}

// A stream error at login comes at each, and ends when it is used up.
func TestStreamErrorsAtLogin(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana)
	c := pair(t, e, ana)
	c.Disconnect()
	for _, at := range []string{AtLogin, AtActive} {
		fault(t, e, Fault{Kind: FaultStreamError, Number: ana, Code: 598, At: at, Count: 2})
		for range 2 {
			x := reopened(t, e, c)
			x.EnableAutoReconnect = false
			x.connect()
			await(x, func(s *events.StreamError) bool { return s.Code == "598" })
			await[*events.Disconnected](x, nil)
		}
		if len(e.Faults()) != 0 {
			t.Fatal(at, "two uses did not use it up")
		}
	}
	x := reopened(t, e, c)
	x.connect()
	await[*events.Connected](x, nil)
	if s := e.Stats(); s.Overlaps+s.Conflicts != 0 || s.MostLogins10s < 2 {
		t.Fatalf("%+v", s)
	}
}

func TestBadFaults(t *testing.T) {
	e := start(t, Options{})
	for body, says := range map[string]string{
		`{"kind":"nack","number":"*"}`:                                  "code",
		`{"kind":"nack","number":"*","code":"x"}`:                       "code",
		`{"kind":"nack","number":"*","code":200}`:                       "400 to 599",
		`{"kind":"nack","number":"*","code":463,"count":-1}`:            "negative",
		`{"kind":"stream_error","number":"*"}`:                          "tag",
		`{"kind":"stream_error","number":"*","code":1,"at":"tomorrow"}`: "tomorrow",
		`{"kind":"ban","number":"*","code":405}`:                        "403 or 406",
		`{"kind":"fail","number":"*","code":-1}`:                        "whole number",
		`{"kind":"fail","number":"*","code":4.5}`:                       "whole number",
	} {
		if status, answer := call(t, e, "POST", "/faults", body); status != 400 || !strings.Contains(answer, says) {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
	for _, body := range []string{`{"kind":"fail","number":"*","code":"406"}`, `{"kind":"fail","number":"*","code":406}`} {
		if status, answer := call(t, e, "POST", "/faults", body); status != 200 {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
	if f := e.Faults(); len(f) != 1 || f[0].Code != 406 {
		t.Errorf("%+v", f)
	}
}

// TestFaultE1: a client that is not paired yet is answered: its pings are, and it is told what is not known here.
func TestFaultE1AnUnpairedClientIsAnswered(t *testing.T) {
	e := start(t, Options{})
	c := newClient(t, e, nil)
	c.connect()
	await[*events.QR](c, nil)
	if _, err := ask(t, c, "w:p", "get"); err != nil {
		t.Fatal("a ping:", err)
	}
	if _, err := ask(t, c, "urn:xmpp:ping", "get", node{Tag: "ping"}); err != nil {
		t.Fatal("a ping of another kind:", err)
	}
	before := e.Stats().Unknown
	for _, n := range []node{
		{Tag: "link_code_companion_reg", Attrs: attrs{"stage": "companion_future", "jid": userJID(ana)}},
		{Tag: "novelty"},
	} {
		if _, err := ask(t, c, "md", "set", n); err == nil || !strings.Contains(err.Error(), "501") {
			t.Fatalf("%s: %v", n.Tag, err)
		}
	}
	raw(t, c, node{Tag: "presence", Attrs: attrs{"id": "P"}})
	raw(t, c, node{Tag: "iq", Attrs: attrs{"type": "get", "xmlns": "w:p", "to": types.ServerJID}}) // without id
	eventually(t, "the events", func() bool {
		failed := 0
		for _, ev := range e.Events(0) {
			if ev.Kind == KindClientError {
				failed++
			}
		}
		return failed == 1 && e.Stats().Unknown-before == 3
	})
}
