package emulator

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/whatsmeow/proto/waAdv"
	"go.mau.fi/whatsmeow/proto/waCompanionReg"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// codes is how many QR codes a pairing socket offers before it closes.
const codes = 6

// pairing is a socket that waits to be scanned. Guarded by Emulator.mu, but for what is set
// at its start and for answer.
type pairing struct {
	offered  bool // its codes were sent to the client
	conn     *conn
	noise    [32]byte
	keys     deviceKeys
	refs     []string
	expires  []time.Time // of each ref
	timer    *time.Timer // closes the socket after the last
	scanned  bool
	answerID string     // the iq whose result accepts the pairing
	answer   chan *node // buffered
}

// Prefixes of what is signed at pairing (whatsmeow pair.go: AdvAccountSignaturePrefix, AdvDeviceSignaturePrefix).
var (
	accountPrefix = []byte{6, 0}
	devicePrefix  = []byte{6, 1}
)

// beginPairing offers the codes to an unpaired client.
func (e *Emulator) beginPairing(c *conn, reg *waWa6.ClientPayload_DevicePairingRegistrationData, static [32]byte) error {
	keys, err := keysOfRegistration(reg)
	if err != nil {
		e.refuse(c, "", 400, nil, "registration: "+err.Error())
		return e.waitEnd(c)
	}
	p := &pairing{conn: c, noise: static, keys: keys, answer: make(chan *node, 1)}
	end := time.Now().Add(e.options.QRFirst)
	for range codes {
		ref := "2@" + base64.RawStdEncoding.EncodeToString(random(48)) // no comma: the code's fields are split by it
		p.refs = append(p.refs, ref)
		p.expires = append(p.expires, end)
		end = end.Add(e.options.QRNext)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	c.pairing = p
	for _, ref := range p.refs {
		e.refs[ref] = p
	}
	p.timer = time.AfterFunc(time.Until(p.expires[codes-1]), func() { e.expirePairing(p) })
	e.offerCodesLocked(p)
	return nil
}

// offerCodesLocked sends a client its codes, once the server is not deaf.
func (e *Emulator) offerCodesLocked(p *pairing) {
	if p.offered || e.faultLocked(FaultDeaf, "") != nil {
		return
	}
	p.offered = true
	refs := make([]node, 0, codes)
	for _, ref := range p.refs {
		refs = append(refs, node{Tag: "ref", Content: []byte(ref)})
	}
	e.sendLocked(p.conn, node{
		Tag:     "iq",
		Attrs:   attrs{"from": types.ServerJID, "type": "set", "id": e.nextIDLocked("pair"), "xmlns": "md"},
		Content: []node{{Tag: "pair-device", Content: refs}},
	})
}

func (e *Emulator) expirePairing(p *pairing) {
	e.mu.Lock()
	busy := p.scanned
	e.mu.Unlock()
	if !busy {
		e.note(Event{Kind: KindRefused, Detail: "nobody scanned the codes in time"})
		streamEnd(p.conn)
	}
}

func (e *Emulator) endPairingLocked(p *pairing) {
	p.timer.Stop()
	for _, ref := range p.refs {
		delete(e.refs, ref)
	}
	close(p.answer)
	p.conn.pairing = nil
}

// Scan has the phone of number scan a QR code: the picture as a data URL or bare base64 of a
// PNG, or its text. It returns the new device's JID once the client has accepted.
// ErrConflict: the code is expired, unknown or does not fit the socket that showed it;
// ErrPairing: the client refused or did not answer.
func (e *Emulator) Scan(ctx context.Context, number, code string) (string, error) {
	a, err := e.accountByNumber(number)
	if err != nil {
		return "", err
	}
	qr, err := readCode(code)
	if err != nil {
		return "", err
	}
	p, d, err := e.claim(a, qr)
	if err != nil {
		return "", err
	}
	identity, err := a.phone.signDevice(d, qr.advSecret)
	if err == nil {
		err = e.offerPairing(ctx, p, d, identity)
	}
	if err != nil {
		e.note(Event{Kind: KindPairFailed, Number: number, Detail: err.Error()})
		streamEnd(p.conn)
		return "", err
	}
	e.log.Info("paired", "device", d.pn.String())
	streamError(p.conn, soon(), restartCode) // restart: the client comes back with a login
	return d.pn.String(), nil
}

// claim finds the socket that showed the code and gives its client a device number.
func (e *Emulator) claim(a *account, qr qrCode) (*pairing, *device, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := e.refs[qr.ref]
	if p == nil {
		return nil, nil, fmt.Errorf("%w: the code is unknown: its socket has closed, or it is another server's", ErrConflict)
	}
	i := slices.Index(p.refs, qr.ref)
	switch {
	case p.scanned:
		return nil, nil, fmt.Errorf("%w: the code was scanned before", ErrConflict)
	case time.Now().After(p.expires[i]):
		return nil, nil, fmt.Errorf("%w: the code expired at %s", ErrConflict, p.expires[i].UTC().Format(time.RFC3339))
	case qr.noise != p.noise || qr.identity != p.keys.identity:
		return nil, nil, fmt.Errorf("%w: the code's keys are not those of the socket that showed it", ErrConflict)
	}
	d, err := a.issueLocked(p.noise, p.keys)
	if err != nil {
		return nil, nil, err
	}
	p.scanned = true
	return p, d, nil
}

// issueLocked makes the account's next device; it is not linked yet.
func (a *account) issueLocked(noise [32]byte, keys deviceKeys) (*device, error) {
	if a.issued == 255 {
		return nil, fmt.Errorf("%w: phone %s has given out all 255 device numbers", ErrConflict, a.number)
	}
	a.issued++
	d := &device{account: a, number: a.issued, keyIndex: uint32(a.issued), noise: noise, keys: keys, ratchets: newRatchets()}
	d.pn, d.lid = a.pn, a.lid
	d.pn.Device, d.lid.Device = d.number, d.number
	return d, nil
}

// linkedLocked books a device as linked, and tells those who write to it.
func (e *Emulator) linkedLocked(d *device) {
	d.account.devices[d.number] = d
	e.note(Event{Kind: KindPaired, Number: d.account.number, Device: d.pn.String()})
	e.announceLocked(d, "add")
}

// offerPairing sends pair-success and waits for the client's signature.
func (e *Emulator) offerPairing(ctx context.Context, p *pairing, d *device, identity *waAdv.ADVSignedDeviceIdentityHMAC) error {
	raw, err := proto.Marshal(identity)
	if err != nil {
		return err
	}
	// Who is told that the phone's chats are by LID addresses people by LID.
	props, err := proto.Marshal(&waCompanionReg.ClientPairingProps{IsChatDbLidMigrated: proto.Bool(true)})
	if err != nil {
		return err
	}
	e.mu.Lock()
	p.answerID = e.nextIDLocked("pair")
	e.sendLocked(p.conn, node{
		Tag:   "iq",
		Attrs: attrs{"from": types.ServerJID, "type": "set", "id": p.answerID, "xmlns": "md", "t": time.Now().Unix()},
		Content: []node{{Tag: "pair-success", Content: []node{
			{Tag: "device-identity", Content: raw},
			{Tag: "device", Attrs: attrs{"jid": d.pn, "lid": d.lid}},
			{Tag: "platform", Attrs: attrs{"name": "android"}},
			{Tag: "client-props", Content: props},
		}}},
	})
	e.mu.Unlock()

	var answer *node
	select {
	case answer = <-p.answer:
	case <-time.After(e.options.PairTimeout):
		return fmt.Errorf("%w: no answer in %v", ErrPairing, e.options.PairTimeout)
	case <-ctx.Done():
		return ctx.Err()
	case <-e.ctx.Done():
		return ErrClosed
	}
	if answer == nil {
		return fmt.Errorf("%w: it closed the socket", ErrPairing)
	}
	if err := d.checkAnswer(answer); err != nil {
		return fmt.Errorf("%w: %w", ErrPairing, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	d.fresh = !e.options.FewPrekeys
	e.linkedLocked(d)
	return nil
}

// checkAnswer verifies pair-device-sign: the device signs with the key that it will be known by.
func (d *device) checkAnswer(answer *node) error {
	if text(answer, "type") == "error" {
		refusal, _ := child(answer, "error")
		if refusal == nil {
			return errors.New("an error without a code")
		}
		return fmt.Errorf("error %s %s", text(refusal, "code"), text(refusal, "text"))
	}
	sign, ok := child(answer, "pair-device-sign")
	if !ok {
		return errors.New("no pair-device-sign")
	}
	var identity waAdv.ADVSignedDeviceIdentity
	if err := proto.Unmarshal(childBytes(sign, "device-identity"), &identity); err != nil {
		return fmt.Errorf("device-identity: %w", err)
	}
	if err := verifyDevice(&identity, d.account.phone.identityKey(), d.keys.identity); err != nil {
		return err
	}
	d.identity = childBytes(sign, "device-identity")
	return nil
}

// verifyDevice checks that a device identity was signed by the account and by the device.
func verifyDevice(identity *waAdv.ADVSignedDeviceIdentity, accountKey, deviceKey [32]byte) error {
	if len(identity.GetAccountSignature()) != 64 || len(identity.GetDeviceSignature()) != 64 {
		return errors.New("a signature is missing")
	}
	message := slices.Concat(accountPrefix, identity.GetDetails(), deviceKey[:])
	if !ecc.VerifySignature(ecc.NewDjbECPublicKey(accountKey), message, [64]byte(identity.GetAccountSignature())) {
		return errors.New("the account signature does not verify")
	}
	message = slices.Concat(devicePrefix, identity.GetDetails(), deviceKey[:], accountKey[:])
	if !ecc.VerifySignature(ecc.NewDjbECPublicKey(deviceKey), message, [64]byte(identity.GetDeviceSignature())) {
		return errors.New("the device signature does not verify")
	}
	return nil
}

// signDevice is the phone's part: it vouches for the device with the account's identity key,
// and with the secret that only the scanned screen showed.
func (p *phone) signDevice(d *device, advSecret []byte) (*waAdv.ADVSignedDeviceIdentityHMAC, error) {
	signed, err := p.vouch(d)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, advSecret)
	mac.Write(signed)
	return &waAdv.ADVSignedDeviceIdentityHMAC{Details: signed, HMAC: mac.Sum(nil), AccountType: waAdv.ADVEncryptionType_E2EE.Enum()}, nil
}

// vouch signs a device's identity, as the bytes of an ADVSignedDeviceIdentity.
func (p *phone) vouch(d *device) ([]byte, error) {
	details, err := proto.Marshal(&waAdv.ADVDeviceIdentity{
		RawID:       proto.Uint32(p.rawID()),
		Timestamp:   proto.Uint64(uint64(time.Now().Unix())),
		KeyIndex:    proto.Uint32(d.keyIndex),
		AccountType: waAdv.ADVEncryptionType_E2EE.Enum(),
		DeviceType:  waAdv.ADVEncryptionType_E2EE.Enum(),
	})
	if err != nil {
		return nil, err
	}
	key := p.keys.Load().IdentityKey
	signature := ecc.CalculateSignature(ecc.NewDjbECPrivateKey(*key.Priv), slices.Concat(accountPrefix, details, d.keys.identity[:]))
	return proto.Marshal(&waAdv.ADVSignedDeviceIdentity{Details: details, AccountSignatureKey: key.Pub[:], AccountSignature: signature[:]})
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}
