package emulator

import (
	"errors"
	"slices"
	"testing"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/whatsmeow/proto/waAdv"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"go.mau.fi/whatsmeow/util/keys"
	"google.golang.org/protobuf/proto"
)

// linking is what a client shows of a device.
func linking(d *store.Device, number string, oneTime []*keys.PreKey) Linking {
	l := Linking{
		Number: number, Name: "linked", Registration: d.RegistrationID, Noise: d.NoiseKey.Pub[:], Identity: d.IdentityKey.Pub[:],
		SignedKey: d.SignedPreKey.Pub[:], Signature: d.SignedPreKey.Signature[:],
	}
	for _, key := range oneTime {
		l.OneTimeKeys = append(l.OneTimeKeys, key.Pub[:])
	}
	return l
}

// accept stores what a pairing would have stored.
func accept(t *testing.T, d *store.Device, linked Linked) {
	t.Helper()
	identity := &waAdv.ADVSignedDeviceIdentity{}
	jid, err1 := types.ParseJID(linked.Device)
	lid, err2 := types.ParseJID(linked.LID)
	if err := errors.Join(err1, err2, proto.Unmarshal(linked.Identity, identity)); err != nil {
		t.Fatal(err)
	}
	message := slices.Concat(devicePrefix, identity.Details, d.IdentityKey.Pub[:], identity.AccountSignatureKey)
	signature := ecc.CalculateSignature(ecc.NewDjbECPrivateKey(*d.IdentityKey.Priv), message)
	identity.DeviceSignature = signature[:]
	d.ID, d.LID, d.Account = &jid, lid, identity
	if err := d.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// A device that was linked without a code logs in, writes and is written to like another.
func TestLink(t *testing.T) {
	const number, friend = "5491100000001", "5491100000002"
	e := start(t, Options{})
	addPhones(t, e, friend)
	device := openStore(t, "").NewDevice()
	linked, err := e.Link([]Linking{linking(device, number, nil)})
	if err != nil || len(linked) != 1 || linked[0].Device != number+":1@s.whatsapp.net" {
		t.Fatal(linked, err)
	}
	accept(t, device, linked[0])
	c := newClient(t, e, device)
	c.connect()
	await[*events.Connected](c, nil)
	sendTo(t, c, friend, "hola")
	id, err := e.SendMessage(friend, number, "chau")
	if err != nil {
		t.Fatal(err)
	}
	await(c, func(m *events.Message) bool { return m.Info.ID == id })
	eventually(t, "the friend's inbox", func() bool {
		inbox, err := e.Inbox(friend)
		return err == nil && len(inbox) == 1 && inbox[0].Text == "hola"
	})
	if s := e.Stats(); s.Logins != 1 || s.Undecryptable+s.Empty+s.RatchetForks != 0 {
		t.Errorf("stats: %+v", s)
	}
}

// What is linked by the control API comes back as it should be stored, and a key that nobody
// could use is refused before anything is linked.
func TestLinkByControl(t *testing.T) {
	e := start(t, Options{})
	ctl := Dial("http://" + e.Addr())
	t.Cleanup(ctl.Close)
	container := openStore(t, "")
	good, other, bad := linking(container.NewDevice(), "5491100000001", []*keys.PreKey{keys.NewPreKey(1), keys.NewPreKey(2)}), linking(container.NewDevice(), "5491100000001", nil), linking(container.NewDevice(), "5491100000002", nil)
	bad.Signature = make([]byte, 64)
	linked, err := ctl.Link(t.Context(), []Linking{good, other})
	if err != nil || len(linked) != 2 || linked[1].Device != "5491100000001:2@s.whatsapp.net" || len(linked[1].Identity) == 0 {
		t.Errorf("%+v, %v", linked, err)
	}
	if _, err := ctl.Link(t.Context(), []Linking{bad}); !errors.Is(err, ErrBadInput) {
		t.Errorf("a signature that does not verify: %v", err)
	}
	if devices := e.Devices(); len(devices) != 2 {
		t.Errorf("%d devices", len(devices))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if n := len(e.accounts["5491100000001"].devices[1].keys.oneTime); n != 2 {
		t.Errorf("%d one-time keys, want 2", n)
	}
}
