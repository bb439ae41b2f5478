package emulator

import (
	"strings"
	"testing"

	"go.mau.fi/whatsmeow/util/keys"
)

// A client that kept the server's static key begins with IK, and is in after one message each.
func TestFaultE2ASecondLoginByIK(t *testing.T) {
	e := start(t, Options{})
	w := newWire(t, e, ana)
	w.login(loginAs{})
	w.login(loginAs{ik: true})
	if w.ask("w:p", "get"); len(e.Devices()) != 1 || e.Devices()[0].Logins != 2 {
		t.Fatalf("devices: %+v", e.Devices())
	}
	// An unpaired client may know the key, too.
	if w.connect(w.device.GetClientPayload(), true) {
		t.Fatal("fell back although the key is right")
	}
}

// One that kept the key of an earlier server, or whatever else, is taken back to XX.
func TestFaultE2AnotherKeyFallsBack(t *testing.T) {
	e := start(t, Options{})
	w := newWire(t, e, ana)
	w.server = *keys.NewKeyPair().Pub
	if !w.connect(w.device.GetClientPayload(), true) {
		t.Fatal("the server took a message that it cannot read")
	}
	w.next("success", nil)
	if w.ask("w:p", "get"); w.server != [32]byte(e.identity.static.PublicKey().Bytes()) {
		t.Fatal("the client did not learn the key")
	}
	w.login(loginAs{ik: true}) // with the key that it learnt
}

// What is refused at XX is refused at IK: a device that is not linked.
func TestFaultE2IKIsAuthenticated(t *testing.T) {
	e := start(t, Options{})
	w := newWire(t, e, ana)
	w.login(loginAs{})
	right := w.device.NoiseKey
	w.device.NoiseKey = keys.NewKeyPair()
	w.connect(w.device.GetClientPayload(), true)
	if n := w.next("failure", nil); text(n, "reason") != "401" {
		t.Fatal(n)
	}
	w.device.NoiseKey = right
	w.login(loginAs{ik: true})
	for _, ev := range e.Events(0) {
		if ev.Kind == KindRefused && !strings.Contains(ev.Detail, "another Noise key") {
			t.Fatalf("%+v", ev)
		}
	}
}
