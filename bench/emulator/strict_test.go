package emulator

import (
	"errors"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
)

// ask sends a query as another client might and returns its answer's first child.
func ask(t *testing.T, c *client, space, kind string, content ...node) (*node, error) {
	t.Helper()
	resp, err := internals(c).SendIQ(t.Context(), whatsmeow.DangerousInfoQuery{
		Namespace: space, Type: whatsmeow.DangerousInfoQueryType(kind), To: types.ServerJID, Content: content, Timeout: patience,
	})
	if err != nil {
		return nil, err
	}
	if children := resp.GetChildren(); len(children) > 0 {
		return &children[0], nil
	}
	return resp, nil
}

func TestQueriesGetAnswersWithContentOrErrors(t *testing.T) {
	e := start(t, Options{})
	e.options.FewPrekeys = false
	addPhones(t, e, ana, beto)
	c := pair(t, e, ana)
	must := func(n *node, err error) *node {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	digest := must(ask(t, c, "encrypt", "get", node{Tag: "digest"}))
	for _, tag := range []string{"registration", "type", "identity", "skey", "list", "hash"} {
		if _, ok := child(digest, tag); digest.Tag != "digest" || !ok {
			t.Fatalf("digest has no %s: %v", tag, digest)
		}
	}
	list, _ := child(digest, "list")
	if n := len(list.GetChildren()); n != 812 {
		t.Fatalf("%d one-time keys", n)
	}
	if props := must(ask(t, c, "abt", "get", node{Tag: "props"})); text(props, "hash") == "" || len(props.GetChildren()) == 0 {
		t.Fatal(props)
	}
	if l := must(ask(t, c, "blocklist", "get")); text(l, "dhash") == "" {
		t.Fatal(l)
	}
	if p := must(ask(t, c, "privacy", "get", node{Tag: "privacy"})); len(p.GetChildren()) == 0 {
		t.Fatal(p)
	}
	sync := must(ask(t, c, "w:sync:app:state", "set", node{Tag: "sync", Content: []node{
		{Tag: "collection", Attrs: attrs{"name": "regular"}}, {Tag: "collection", Attrs: attrs{"name": "critical_block"}}}}))
	if len(sync.GetChildren()) != 2 {
		t.Fatal(sync)
	}
	if m := must(ask(t, c, "w:m", "set", node{Tag: "media_conn"})); text(m, "auth") == "" {
		t.Fatal(m)
	}
	must(ask(t, c, "w:p", "get", node{Tag: "ping"}))
	if g := must(ask(t, c, "w:g2", "get", node{Tag: "participating"})); g.Tag != "groups" {
		t.Fatal(g)
	}
	before := e.Stats().Unknown
	if _, err := ask(t, c, "future", "get", node{Tag: "thing"}); err == nil {
		t.Fatal("an unknown query got a result")
	}
	if _, err := ask(t, c, "encrypt", "set", node{Tag: "key_upload_of_another_kind"}); err == nil {
		t.Fatal("an unknown query was taken for a known one")
	}
	if n := e.Stats().Unknown - before; n != 2 {
		t.Fatalf("%d unknown queries were recorded", n)
	}
	if _, err := ask(t, c, "encrypt", "set", node{Tag: "rotate", Content: []node{{Tag: "skey"}}}); err == nil {
		t.Fatal("a rotation without a key was taken")
	}
}

func TestUsync(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana, beto)
	c := pair(t, e, ana)
	found, err := c.IsOnWhatsApp(t.Context(), []string{"+" + beto, "+" + caro})
	if err != nil || len(found) != 2 || !found[0].IsIn || found[0].PhoneNumber.User != beto || found[1].IsIn {
		t.Fatalf("%+v %v", found, err)
	}
	info, err := c.GetUserInfo(t.Context(), []types.JID{userJID(beto), userJID(caro)})
	if err != nil || len(info) != 1 || info[userJID(beto)].LID.User != lidOf(beto) {
		t.Fatalf("%+v %v", info, err)
	}
}

func raw(t *testing.T, c *client, n node) {
	t.Helper()
	if err := internals(c).SendNode(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}

// awaitKind waits for an event of that kind with that stanza ID.
func awaitKind(t *testing.T, e *Emulator, kind, id string) Event {
	t.Helper()
	var out Event
	eventually(t, "event "+kind+" of "+id, func() bool {
		for _, ev := range e.Events(0) {
			if ev.Kind == kind && ev.ID == id {
				out = ev
				return true
			}
		}
		return false
	})
	return out
}

func TestMessagesThatReachNobodyAreRefused(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana, beto)
	c := pair(t, e, ana)
	lid := types.NewJID(lidOf(beto), types.HiddenUserServer)
	raw(t, c, node{Tag: "message", Attrs: attrs{"id": "EMPTY", "to": lid, "type": "text"}, Content: []node{{Tag: "participants"}}})
	awaitKind(t, e, KindEmpty, "EMPTY")
	if ev := awaitKind(t, e, KindMessageFailed, "EMPTY"); ev.Code != refuseBad {
		t.Fatalf("%+v", ev)
	}
	nobody := userJID(caro)
	raw(t, c, node{Tag: "message", Attrs: attrs{"id": "NOBODY", "to": nobody, "type": "text"}, Content: []node{{Tag: "participants", Content: []node{
		{Tag: "to", Attrs: attrs{"jid": nobody}, Content: []node{{Tag: "enc", Attrs: attrs{"v": "2", "type": "msg"}, Content: []byte("x")}}}}}}})
	if ev := awaitKind(t, e, KindMessageFailed, "NOBODY"); ev.Code != refuseUnknown {
		t.Fatalf("%+v", ev)
	}
	if s := e.Stats(); s.Messages != 0 || s.Empty != 1 {
		t.Fatalf("stats: %+v", s)
	}
}

func TestAResendDeliversItsDirectCiphertextOnly(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana, beto, caro)
	c := pair(t, e, ana)
	sendTo(t, c, beto, "hola")
	inboxOf(t, e, beto, 1)
	lid := types.NewJID(lidOf(beto), types.HiddenUserServer)
	enc := node{Tag: "enc", Attrs: attrs{"v": "2", "type": "msg"}, Content: []byte("not a message at all")}
	raw(t, c, node{Tag: "message", Attrs: attrs{"id": "RESENT", "to": lid, "type": "text", "device_fanout": false}, Content: []node{
		enc, {Tag: "participants", Content: []node{{Tag: "to", Attrs: attrs{"jid": types.NewJID(lidOf(caro), types.HiddenUserServer)}, Content: []node{enc}}}}}})
	awaitKind(t, e, KindUndecryptable, "RESENT")
	for _, ev := range e.Events(0) {
		if ev.ID == "RESENT" && ev.Number == caro {
			t.Fatalf("it was delivered beside: %+v", ev)
		}
	}
}

func TestClientsFaultsAreRecordedNotCrashedOn(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana)
	c := pair(t, e, ana)
	raw(t, c, node{Tag: "receipt", Attrs: attrs{"id": "NOTO"}})
	awaitKind(t, e, KindClientError, "NOTO")
	raw(t, c, node{Tag: "message", Attrs: attrs{"id": "NOTO2"}})
	awaitKind(t, e, KindClientError, "NOTO2")
	raw(t, c, node{Tag: "novelty", Attrs: attrs{"id": "NEW"}})
	awaitKind(t, e, KindUnknown, "NEW")
	raw(t, c, node{Tag: "ack", Attrs: attrs{"id": "BAD", "class": "message", "error": 487, "to": types.ServerJID}})
	if ev := awaitKind(t, e, KindNack, "BAD"); ev.Code != 487 {
		t.Fatalf("%+v", ev)
	}
	if !c.IsConnected() {
		t.Fatal("the socket was closed")
	}
}

// A device list change reaches contacts.
func TestDeviceListsAreAnnounced(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana, beto)
	writer := pair(t, e, ana)
	sendTo(t, writer, beto, "antes") // caches beto's devices
	second := pair(t, e, beto)
	eventually(t, "the announcement to be settled", func() bool {
		for _, d := range e.Devices() {
			if d.Queued > 0 {
				return false
			}
		}
		return true
	})
	id := sendTo(t, writer, beto, "a los dos")
	await(second, func(m *events.Message) bool { return m.Info.ID == id })
	for _, ev := range e.Events(0) {
		if ev.Kind == KindMissed {
			t.Fatalf("a stale list: %+v", ev)
		}
	}
	if err := e.Unlink(beto, beto+":1@s.whatsapp.net"); err != nil {
		t.Fatal(err)
	}
	await[*events.LoggedOut](second, nil)
	sendTo(t, writer, beto, "al teléfono")
	inboxOf(t, e, beto, 3)
}

func TestConnectionHeaders(t *testing.T) {
	e := start(t, Options{})
	say := func(first []byte) error {
		ws, _, err := websocket.Dial(t.Context(), "ws://"+e.Addr()+"/ws/chat", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer ws.CloseNow()
		if err := ws.Write(t.Context(), websocket.MessageBinary, first); err != nil {
			t.Fatal(err)
		}
		_, _, err = ws.Read(t.Context())
		return err
	}
	if err := say([]byte("WA\x06\x02rest of it")); err == nil {
		t.Fatal("another version was answered")
	}
	eventually(t, "the refusal to be booked", func() bool {
		ev := e.Events(0)
		return len(ev) == 1 && ev[0].Kind == KindRefused
	})
	hello := []byte{0, 0, 36, 0x12, 34, 0x0a, 32}
	hello = append(hello, make([]byte, 32)...)
	hello[7] = 9 // a point that is not the zero point
	routed := append([]byte("ED\x00\x01\x00\x00\x03abcWA\x06\x03"), hello...)
	if err := say(routed); err != nil {
		t.Fatal("a connection with a routing blob:", err)
	}
	// The same, cut into single bytes.
	ws, _, err := websocket.Dial(t.Context(), "ws://"+e.Addr()+"/ws/chat", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	for _, b := range routed {
		if err := ws.Write(t.Context(), websocket.MessageBinary, []byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := ws.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestSoundRefusesWhatKillsDecoders(t *testing.T) {
	for _, n := range []node{
		{Tag: "a", Attrs: attrs{"jid": types.JID{}}},
		{Tag: "a", Attrs: attrs{"n": uint16(1)}},
		{Tag: "a", Content: "text"},
		{Tag: "a", Content: []node{{Tag: "b", Attrs: attrs{"t": time.Second.Seconds()}}}},
	} {
		if sound(&n) {
			t.Errorf("%v passed", n)
		}
	}
	if n := (node{Tag: "a", Attrs: attrs{"to": types.ServerJID, "n": 1}, Content: []node{{Tag: "b", Content: []byte{1}}}}); !sound(&n) {
		t.Error("a good one did not pass")
	}
}

func TestGroups(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana, beto, caro)
	name, err := e.AddGroup("los tres", []string{ana, beto, caro})
	if err != nil {
		t.Fatal(err)
	}
	g, _ := types.ParseJID(name)
	a, b := pair(t, e, ana), pair(t, e, beto)
	sent, err := a.SendMessage(t.Context(), g, say("a todos"))
	if err != nil {
		t.Fatal(err)
	}
	await(b, func(m *events.Message) bool { return m.Info.ID == sent.ID && m.Message.GetConversation() == "a todos" })
	for _, number := range []string{beto, caro} {
		if m := inboxOf(t, e, number, 1)[0]; m.Text != "a todos" || m.Chat != name || m.From != ana {
			t.Fatalf("%+v", m)
		}
	}
	if _, err = a.SendMessage(t.Context(), g, say("otra vez")); err != nil {
		t.Fatal(err)
	}
	inboxOf(t, e, caro, 2)
	if _, err := e.AddGroup("x", []string{ana, "5490000000000"}); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	if s := e.Stats(); s.Undecryptable+s.RatchetForks+s.Duplicates != 0 || s.Messages != 2 {
		t.Fatalf("%+v", s)
	}
}
