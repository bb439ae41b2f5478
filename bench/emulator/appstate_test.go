package emulator

import (
	"testing"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"
)

// A device that was just paired gets the key of the account's settings from its phone, and finds the
// push name in them.
func TestFaultE13APairedDeviceLearnsItsName(t *testing.T) {
	e := start(t, Options{})
	e.options.FewPrekeys = false
	addPhones(t, e, ana)
	c := newClient(t, e, nil)
	c.EmitAppStateEventsOnFullSync = true
	link(t, e, c, ana)
	if name := await[*events.PushNameSetting](c, nil); name.Action.GetName() != "phone "+ana {
		t.Fatalf("name: %v", name.Action)
	}
	await(c, func(s *events.AppStateSyncComplete) bool { return s.Name == "regular_low" })
	eventually(t, "the phone to have told it all", func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return !e.accounts[ana].devices[1].fresh
	})
	if s := e.Stats(); s.Messages != 0 || s.Undecryptable != 0 || s.Unknown != 0 || e.Devices()[0].Queued != 0 {
		t.Fatalf("stats: %+v", s)
	}
}

// The phone tells it anew at each login until the device has it all, and the key again on request.
func TestFaultE13UntilItHasItAll(t *testing.T) {
	e := start(t, Options{})
	e.options.FewPrekeys = false
	w := newWire(t, e, ana)
	e.mu.Lock()
	d := e.deviceLocked(*w.device.ID)
	d.fresh = true
	e.mu.Unlock()
	own := lidJID(ana)
	decrypt := func(n *node) *waE2E.Message {
		t.Helper()
		if jid(n, "from") != own || text(n, "category") != "peer" {
			t.Fatal(n)
		}
		p := &phone{e: e, store: w.device, account: e.accounts[ana], devices: map[string]chainOrder{}}
		m, err := p.decrypt(n, own)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	w.login(loginAs{})
	first := decrypt(w.next("message", nil)).GetProtocolMessage().GetAppStateSyncKeyShare().GetKeys()
	if len(first) != 1 || len(first[0].GetKeyData().GetKeyData()) != 32 {
		t.Fatal(first)
	}
	w.login(loginAs{})
	n := w.next("message", nil)
	if again := decrypt(n).GetProtocolMessage().GetAppStateSyncKeyShare().GetKeys(); !proto.Equal(again[0], first[0]) {
		t.Fatal("another key")
	}
	w.send(node{Tag: "receipt", Attrs: attrs{"id": text(n, "id"), "to": own, "type": "peer_msg"}})
	sync := w.next("notification", nil)
	collection, _ := child(sync, "collection")
	if text(sync, "type") != "server_sync" || collection == nil || text(collection, "name") != "critical_block" || number(collection, "version") != 1 {
		t.Fatal(sync)
	}
	patches := func(version int) int {
		answer := w.ask("w:sync:app:state", "set", node{Tag: "sync", Content: []node{{Tag: "collection", Attrs: attrs{"name": "critical_block", "version": version}}}})
		sync, _ := child(answer, "sync")
		collection, _ := child(sync, "collection")
		if list, ok := child(collection, "patches"); ok {
			return len(list.GetChildren())
		}
		return 0
	}
	if patches(0) != 1 || patches(1) != 0 {
		t.Fatal("a client gets the patches that it has not")
	}
	w.send(node{Tag: "ack", Attrs: attrs{"id": text(sync, "id"), "class": "notification", "type": "server_sync", "to": jid(sync, "from")}})
	w.seen()
	w.login(loginAs{})
	if told := tagged(w.seen(), "message"); len(told) != 0 {
		t.Fatal("told again: ", told)
	}
	request := marshal(t, &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
		Type:                   waE2E.ProtocolMessage_APP_STATE_SYNC_KEY_REQUEST.Enum(),
		AppStateSyncKeyRequest: &waE2E.AppStateSyncKeyRequest{KeyIDs: []*waE2E.AppStateSyncKeyId{first[0].KeyID}},
	}})
	w.send(node{Tag: "message", Attrs: attrs{"id": "REQUEST", "to": own, "type": "text", "category": "peer"}, Content: []node{w.seal(own, request), w.identity()}})
	if shared := decrypt(w.next("message", nil)).GetProtocolMessage().GetAppStateSyncKeyShare().GetKeys(); len(shared) != 1 || !proto.Equal(shared[0], first[0]) {
		t.Fatal(shared)
	}
}
