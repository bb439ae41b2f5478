package emulator

import (
	"fmt"
	"slices"
	"testing"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/whatsmeow/proto/waAdv"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// signedList reads a <key-index-list> as the strictest client does: signed by the account's key, of
// the account that its devices name, with the time that stands beside it.
func signedList(t *testing.T, e *Emulator, n *node, number string) *waAdv.ADVKeyIndexList {
	t.Helper()
	var signed waAdv.ADVSignedKeyIndexList
	if err := proto.Unmarshal(childBytes(n, "key-index-list"), &signed); err != nil {
		t.Fatal(err)
	}
	a, err := e.accountByNumber(number)
	if err != nil {
		t.Fatal(err)
	}
	key := a.phone.identityKey()
	if !slices.Equal(signed.AccountSignatureKey, key[:]) || len(signed.AccountSignature) != 64 {
		t.Fatalf("list of %s: signed by %x with %d bytes", number, signed.AccountSignatureKey, len(signed.AccountSignature))
	}
	message := append([]byte{6, 2}, signed.Details...)
	if !ecc.VerifySignature(ecc.NewDjbECPublicKey(key), message, [64]byte(signed.AccountSignature)) {
		t.Fatal("the list's signature does not verify")
	}
	list := &waAdv.ADVKeyIndexList{}
	if err := proto.Unmarshal(signed.Details, list); err != nil {
		t.Fatal(err)
	}
	index, _ := child(n, "key-index-list")
	if text(index, "ts") != fmt.Sprint(list.GetTimestamp()) {
		t.Fatalf("ts %s beside a list of %d", text(index, "ts"), list.GetTimestamp())
	}
	return list
}

// rawIDOf is the account that a device's own identity names.
func rawIDOf(t *testing.T, w *wire) uint32 {
	t.Helper()
	var details waAdv.ADVDeviceIdentity
	if err := proto.Unmarshal(w.device.Account.Details, &details); err != nil {
		t.Fatal(err)
	}
	return details.GetRawID()
}

// devicesOf asks for the devices of a user in whichever form.
func (w *wire) devicesOf(j types.JID) (user, devices *node) {
	w.t.Helper()
	answer := w.ask("usync", "get", node{Tag: "usync", Attrs: attrs{"sid": "1", "mode": "query", "last": "true", "index": "0", "context": "message"}, Content: []node{
		{Tag: "query", Content: []node{{Tag: "devices", Attrs: attrs{"version": "2"}}}},
		{Tag: "list", Content: []node{{Tag: "user", Attrs: attrs{"jid": j}}}}}})
	usync, _ := child(answer, "usync")
	list, _ := child(usync, "list")
	user, ok := child(list, "user")
	if !ok {
		w.t.Fatalf("no answer for %s: %v", j, answer)
	}
	devices, ok = child(user, "devices")
	if !ok {
		w.t.Fatal(user)
	}
	return user, devices
}

// Whoever reads a list of devices finds it signed by the account: where it is asked for, and in each
// notification. It names the same account in all of them.
func TestFaultE3DeviceListsAreSigned(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, beto)
	w := newWire(t, e, ana)
	w.login(loginAs{})
	_, devices := w.devicesOf(lidJID(beto))
	alone := signedList(t, e, devices, beto)
	if !slices.Equal(alone.ValidIndexes, []uint32{0}) || alone.GetCurrentIndex() != 0 {
		t.Fatalf("a phone alone: %v", alone)
	}
	first, second := newWire(t, e, beto), newWire(t, e, beto)
	if rawIDOf(t, first) != alone.GetRawID() || rawIDOf(t, second) != alone.GetRawID() || rawIDOf(t, w) == alone.GetRawID() {
		t.Fatal("an account has one raw ID, and no other account's")
	}
	for _, want := range [][]uint32{{0, 1}, {0, 1}, {0, 1, 2}, {0, 1, 2}} { // each in two forms
		n := w.next("notification", nil)
		add, ok := child(n, "add")
		if !ok {
			t.Fatal(n)
		}
		list := signedList(t, e, add, beto)
		if !slices.Equal(list.ValidIndexes, want) || list.GetRawID() != alone.GetRawID() || list.GetTimestamp() <= alone.GetTimestamp() {
			t.Fatalf("list %v, want %v after %d", list, want, alone.GetTimestamp())
		}
	}
	for _, form := range []types.JID{lidJID(beto), userJID(beto)} {
		_, devices = w.devicesOf(form)
		if list := signedList(t, e, devices, beto); !slices.Equal(list.ValidIndexes, []uint32{0, 1, 2}) || list.GetCurrentIndex() != 2 {
			t.Fatalf("asked: %v", list)
		}
	}
	if err := e.Unlink(beto, beto+":1@s.whatsapp.net"); err != nil {
		t.Fatal(err)
	}
	remove, ok := child(w.next("notification", nil), "remove")
	if !ok {
		t.Fatal("no removal")
	}
	if list := signedList(t, e, remove, beto); !slices.Equal(list.ValidIndexes, []uint32{0, 2}) || list.GetCurrentIndex() != 2 {
		t.Fatalf("after the removal: %v", list)
	}
}

// A contact that is addressed by number is announced by number, and one by LID by LID; own devices
// hear both, too.
func TestFaultE4ChangesAreAnnouncedInBothForms(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, beto)
	w, own := newWire(t, e, ana), newWire(t, e, beto)
	w.login(loginAs{})
	own.login(loginAs{})
	w.devicesOf(userJID(beto))
	second := newWire(t, e, beto)
	check := func(to *wire, change string, want []string) {
		t.Helper()
		forms := map[types.JID]bool{}
		for range 2 {
			n := to.next("notification", func(n *node) bool { return text(n, "type") == "devices" })
			changed, ok := child(n, change)
			if !ok {
				t.Fatalf("no %s: %v", change, n)
			}
			device, _ := child(changed, "device")
			from, j := jid(n, "from"), jid(device, "jid")
			if j.User != from.User || j.Server != from.Server || j.Device != second.device.ID.Device || number(device, "key-index") != 2 {
				t.Fatalf("%s changes %v", from, device)
			}
			var list []types.JID
			for _, name := range want {
				of, _ := types.ParseJID(from.User + name + "@" + from.Server)
				list = append(list, of)
			}
			if text(changed, "device_hash") != deviceHash(list) {
				t.Fatalf("%s: hash %s, want of %v", from, text(changed, "device_hash"), list)
			}
			forms[from] = true
		}
		if !forms[lidJID(beto)] || !forms[userJID(beto)] {
			t.Fatalf("announced by %v", forms)
		}
	}
	check(w, "add", []string{"", ":1", ":2"})
	check(own, "add", []string{"", ":1", ":2"})
	if err := e.Unlink(beto, second.device.ID.String()); err != nil {
		t.Fatal(err)
	}
	check(w, "remove", []string{"", ":1"})
	check(own, "remove", []string{"", ":1"})
}

// A number is digits, however it was written and wherever it was asked for.
func TestFaultE14NumbersAsPeopleWriteThem(t *testing.T) {
	e := start(t, Options{})
	const german = "491520000702"
	addPhones(t, e, german)
	w := newWire(t, e, ana)
	w.login(loginAs{})
	for _, written := range []string{german, "+" + german, "+49 1520 000702", "+49 (1520) 000-702", "\u202a+49\u00a01520\u00a0000702\u202c", german + "@s.whatsapp.net"} {
		answer := w.ask("usync", "get", node{Tag: "usync", Attrs: attrs{"sid": "1", "mode": "query", "last": "true", "index": "0", "context": "interactive"}, Content: []node{
			{Tag: "query", Content: []node{{Tag: "contact"}}},
			{Tag: "list", Content: []node{{Tag: "user", Content: []node{{Tag: "contact", Content: []byte(written)}}}}}}})
		usync, _ := child(answer, "usync")
		list, _ := child(usync, "list")
		user, ok := child(list, "user")
		if !ok || jid(user, "jid") != userJID(german) {
			t.Fatalf("%q: %v", written, answer)
		}
		if contact, ok := child(user, "contact"); !ok || text(contact, "type") != "in" || string(bytesOf(contact)) != written {
			t.Fatalf("%q: %v", written, user)
		}
		id, err := e.SendMessage(german, ana, "hola a "+written)
		if err != nil {
			t.Fatal(err)
		}
		w.next("message", func(n *node) bool { return text(n, "id") == id })
		if _, err := e.Inbox(written); err != nil {
			t.Fatal(written, err)
		}
	}
	for _, to := range []string{"+54 9 11 0000-0001", ana + "@c.us", ana + "@s.whatsapp.net", lidOf(ana) + "@lid"} {
		if _, err := e.SendMessage(german, to, "hola"); err != nil {
			t.Fatalf("to %s: %v", to, err)
		}
	}
	if _, err := e.AddGroup("grupo", []string{"+49 1520 000702", "+54 9 11 0000-0001", ana + "@s.whatsapp.net"}); err != nil {
		t.Fatal(err)
	}
	if err := e.SetFault(Fault{Kind: FaultDelay, Number: "+49 1520 000702"}); err != nil || e.Faults()[0].Number != german {
		t.Fatal(err, e.Faults())
	}
	unknown := w.ask("usync", "get", node{Tag: "usync", Attrs: attrs{"sid": "1", "mode": "query", "last": "true", "index": "0", "context": "interactive"}, Content: []node{
		{Tag: "query", Content: []node{{Tag: "contact"}}},
		{Tag: "list", Content: []node{{Tag: "user", Content: []node{{Tag: "contact", Content: []byte("+49 1520 000703")}}}}}}})
	usync, _ := child(unknown, "usync")
	list, _ := child(usync, "list")
	user, _ := child(list, "user")
	if contact, ok := child(user, "contact"); !ok || text(contact, "type") != "out" || jid(user, "jid").User != "491520000703" {
		t.Fatal(unknown)
	}
}

// The keys of a paired device come with the identity that its phone and it have signed, which names the
// account as the list does.
func TestFaultE3KeysComeWithTheDevicesIdentity(t *testing.T) {
	e := start(t, Options{FewPrekeys: true})
	addPhones(t, e, beto)
	pair(t, e, beto)
	w := newWire(t, e, ana)
	w.login(loginAs{})
	to := lidJID(beto)
	to.Device = 1
	answer := w.ask("encrypt", "get", node{Tag: "key", Content: []node{{Tag: "user", Attrs: attrs{"jid": to}}}})
	list, _ := child(answer, "list")
	user, ok := child(list, "user")
	if !ok {
		t.Fatal(answer)
	}
	var identity waAdv.ADVSignedDeviceIdentity
	if err := proto.Unmarshal(childBytes(user, "device-identity"), &identity); err != nil {
		t.Fatal(err)
	}
	if err := verifyDevice(&identity, e.accounts[beto].phone.identityKey(), [32]byte(childBytes(user, "identity"))); err != nil {
		t.Fatal(err)
	}
	var details waAdv.ADVDeviceIdentity
	_, devices := w.devicesOf(lidJID(beto))
	if err := proto.Unmarshal(identity.Details, &details); err != nil || details.GetRawID() != signedList(t, e, devices, beto).GetRawID() {
		t.Fatal(&details, err)
	}
}
