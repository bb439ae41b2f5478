package emulator

import (
	"testing"

	"go.mau.fi/whatsmeow/types"
)

// queuedFor queues stanzas for a device.
func queuedFor(w *wire, all ...node) {
	w.t.Helper()
	w.e.mu.Lock()
	defer w.e.mu.Unlock()
	for _, n := range all {
		w.e.deliverLocked(w.e.deviceLocked(*w.device.ID), n)
	}
}

func queueOf(w *wire) int {
	w.e.mu.Lock()
	defer w.e.mu.Unlock()
	return len(w.e.deviceLocked(*w.device.ID).queue)
}

// Who acknowledges to somebody else than a stanza came from has not acknowledged it, whatever its
// class.
func TestFaultE10AnAcknowledgementNamesWhomItCameFrom(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, beto, caro)
	w := newWire(t, e, ana)
	w.login(loginAs{})
	group := types.NewJID("120363000000000001", types.GroupServer)
	from := lidJID(beto)
	fromDevice := from
	fromDevice.Device = 3
	for _, c := range []struct {
		what   string
		stanza node
		wrong  []node
		right  node
	}{
		{"message", node{Tag: "message", Attrs: attrs{"id": "M1", "from": fromDevice}}, []node{
			{Tag: "receipt", Attrs: attrs{"id": "M1", "to": from}}, // the device belongs to it
			{Tag: "receipt", Attrs: attrs{"id": "M1", "to": lidJID(caro)}},
			{Tag: "receipt", Attrs: attrs{"id": "M1", "to": userJID(beto), "type": "inactive"}},
			{Tag: "ack", Attrs: attrs{"id": "M1", "class": "message", "to": from}},
		}, node{Tag: "receipt", Attrs: attrs{"id": "M1", "to": fromDevice}}},
		{"message in a group", node{Tag: "message", Attrs: attrs{"id": "M2", "from": group, "participant": fromDevice}}, []node{
			{Tag: "receipt", Attrs: attrs{"id": "M2", "to": fromDevice}},
			{Tag: "receipt", Attrs: attrs{"id": "M2", "to": group, "participant": lidJID(caro)}},
		}, node{Tag: "receipt", Attrs: attrs{"id": "M2", "to": group, "participant": fromDevice}}},
		{"second of a list", node{Tag: "message", Attrs: attrs{"id": "M3", "from": from}}, []node{
			{Tag: "receipt", Attrs: attrs{"id": "X", "to": lidJID(caro)}, Content: []node{{Tag: "list", Content: []node{{Tag: "item", Attrs: attrs{"id": "M3"}}}}}},
		}, node{Tag: "receipt", Attrs: attrs{"id": "X", "to": from}, Content: []node{{Tag: "list", Content: []node{{Tag: "item", Attrs: attrs{"id": "M3"}}}}}}},
		{"receipt", node{Tag: "receipt", Attrs: attrs{"id": "R1", "from": from}}, []node{
			{Tag: "ack", Attrs: attrs{"id": "R1", "class": "receipt", "to": lidJID(caro)}},
			{Tag: "ack", Attrs: attrs{"id": "R1", "class": "receipt"}},
		}, node{Tag: "ack", Attrs: attrs{"id": "R1", "class": "receipt", "to": from}}},
		{"notification", node{Tag: "notification", Attrs: attrs{"id": "N1", "from": types.ServerJID, "type": "server_sync"}}, []node{
			{Tag: "ack", Attrs: attrs{"id": "N1", "class": "notification", "to": from}},
		}, node{Tag: "ack", Attrs: attrs{"id": "N1", "class": "notification", "to": types.ServerJID}}},
		{"call", node{Tag: "call", Attrs: attrs{"id": "C1", "from": from}}, []node{
			{Tag: "ack", Attrs: attrs{"id": "C1", "class": "call", "to": lidJID(caro)}},
			{Tag: "receipt", Attrs: attrs{"id": "C1", "to": lidJID(caro)}, Content: []node{{Tag: "offer"}}},
		}, node{Tag: "ack", Attrs: attrs{"id": "C1", "class": "call", "to": from}}},
		{"call's offer", node{Tag: "call", Attrs: attrs{"id": "C2", "from": from}}, nil,
			node{Tag: "receipt", Attrs: attrs{"id": "C2", "to": from}, Content: []node{{Tag: "offer"}}}},
	} {
		queuedFor(w, c.stanza)
		w.next(c.stanza.Tag, nil)
		mistakes := func() (count int) {
			for _, ev := range e.Events(0) {
				if ev.Kind == KindClientError && ev.ID == text(&c.stanza, "id") {
					count++
				}
			}
			return count
		}
		for _, wrong := range c.wrong {
			w.send(wrong)
		}
		w.seen()
		if queueOf(w) != 1 || mistakes() != len(c.wrong) {
			t.Fatalf("%s: %d queued, %d of %d mistakes booked: %+v", c.what, queueOf(w), mistakes(), len(c.wrong), e.Events(0))
		}
		w.send(c.right)
		w.seen()
		if queueOf(w) != 0 {
			t.Fatalf("%s: still queued", c.what)
		}
	}
	w.login(loginAs{}) // and nothing comes again
	if again := tagged(w.seen(), "message"); len(again) != 0 {
		t.Fatal(again)
	}
}

func waiting(n int) (all []node) {
	for i := range n {
		all = append(all, node{Tag: "message", Attrs: attrs{"id": string(rune('A' + i)), "from": lidJID(beto)}})
	}
	return all
}

// countOffline tells how many of what came had waited, and whether the end mark was among it and
// what stood before it.
func countOffline(all []*node) (waited, live int, ended bool) {
	for _, n := range all {
		switch {
		case n.Tag == "ib":
			if _, ok := child(n, "offline"); ok {
				ended = true
			}
		case n.Tag == "message" && text(n, "offline") != "":
			waited++
		case n.Tag == "message":
			live++
		}
	}
	return waited, live, ended
}

// A client that pulls gets a primer, then what it asks for; what comes meanwhile waits until it has
// caught up.
func TestFaultE12OfflineBatches(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, beto)
	w := newWire(t, e, ana)
	queuedFor(w, waiting(20)...)
	w.login(loginAs{pull: true})
	batch := func(count int) {
		w.send(node{Tag: "ib", Content: []node{{Tag: "offline_batch", Attrs: attrs{"count": count}}}})
	}
	first := w.seen()
	if waited, live, ended := countOffline(first); waited != primer || live != 0 || ended {
		t.Fatalf("the primer: %d, %d live, ended %v", waited, live, ended)
	}
	if preview, ok := child(first[0], "offline_preview"); !ok || number(preview, "count") != 20 || number(preview, "message") != 20 {
		t.Fatal(first[0])
	}
	queuedFor(w, node{Tag: "message", Attrs: attrs{"id": "LIVE", "from": lidJID(beto)}})
	batch(3)
	if waited, live, ended := countOffline(w.seen()); waited != 3 || live != 0 || ended {
		t.Fatalf("a batch of 3: %d, %d live, ended %v", waited, live, ended)
	}
	batch(200)
	last := w.seen()
	if waited, live, ended := countOffline(last); waited != 12 || live != 1 || !ended {
		t.Fatalf("the rest: %d, %d live, ended %v", waited, live, ended)
	}
	end := last[len(last)-2]
	if mark, ok := child(end, "offline"); !ok || number(mark, "count") != 20 || text(last[len(last)-1], "id") != "LIVE" {
		t.Fatal("what is live does not follow the end mark")
	}
	queuedFor(w, node{Tag: "message", Attrs: attrs{"id": "LIVE2", "from": lidJID(beto)}})
	w.next("message", func(n *node) bool { return text(n, "id") == "LIVE2" && text(n, "offline") == "" })
}

// Clients that do not pull, or do not ask, get everything.
func TestFaultE12WhoDoesNotAskGetsEverything(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, beto)
	active := node{Tag: "active"}
	for _, c := range []struct {
		name          string
		as            loginAs
		before, after int // it says that it is active
		ask           int // for a batch, before
	}{
		{"it comes active", loginAs{}, 20, 0, 0},
		{"it comes passive", loginAs{passive: true}, 0, 20, 0},
		{"it comes passive, could pull, and does not", loginAs{passive: true, pull: true}, 0, 20, 0},
		{"it comes passive and pulls", loginAs{passive: true, pull: true}, primer + 10, 0, 10},
		{"it comes passive and pulls it all", loginAs{passive: true, pull: true}, 20, 0, 100},
	} {
		w := newWire(t, e, ana)
		queuedFor(w, waiting(20)...)
		w.login(c.as)
		if c.ask > 0 {
			w.send(node{Tag: "ib", Content: []node{{Tag: "offline_batch", Attrs: attrs{"count": c.ask}}}})
		}
		if waited, live, ended := countOffline(w.seen()); waited != c.before || live != 0 || ended != (c.before == 20) {
			t.Fatalf("%s: %d before, %d live, ended %v", c.name, waited, live, ended)
		}
		w.send(node{Tag: "iq", Attrs: attrs{"id": "active", "to": types.ServerJID, "xmlns": "passive", "type": "set"}, Content: []node{active}})
		if waited, live, ended := countOffline(w.seen()); waited != c.after || live != 0 || ended != (c.after == 20) {
			t.Fatalf("%s: %d after, %d live, ended %v", c.name, waited, live, ended)
		}
	}
}
