package emulator

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/whatsmeow/proto/waAdv"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// keyIndexPrefix begins what is signed of a list of devices, as accountPrefix does of one device.
var keyIndexPrefix = []byte{6, 2}

// keyIndexes is the list of an account's devices as its phone signed it after the last change.
// Clients drop the whole user where it is missing or does not verify.
type keyIndexes struct {
	ts     int64    // Unix seconds; each list has a later one than the one before
	signer [32]byte // the identity key that signed it
	signed []byte   // an ADVSignedKeyIndexList
}

// deviceHash is the hash of a device list as clients compute it: "2:" and the raw base64 of
// the first six bytes of SHA-256 over the sorted AD strings.
func deviceHash(devices []types.JID) string {
	names := make([]string, len(devices))
	for i, d := range devices {
		names[i] = d.ADString()
	}
	slices.Sort(names)
	sum := sha256.Sum256([]byte(strings.Join(names, "")))
	return "2:" + base64.RawStdEncoding.EncodeToString(sum[:6])
}

// rawID names the account in what its phone signs of its devices: one ID as long as it has this
// identity key, and another one after it was installed anew.
func (p *phone) rawID() uint32 {
	key := p.identityKey()
	sum := sha256.Sum256(key[:])
	return binary.BigEndian.Uint32(sum[:]) >> 1 // clients keep it in 31 bits
}

// relistLocked has the phone sign a new list: its devices have changed.
func (a *account) relistLocked() {
	list := &waAdv.ADVKeyIndexList{
		RawID:        proto.Uint32(a.phone.rawID()),
		CurrentIndex: proto.Uint32(uint32(a.issued)),
		AccountType:  waAdv.ADVEncryptionType_E2EE.Enum(),
		ValidIndexes: []uint32{0}, // the phone's
	}
	for _, d := range a.sortedDevices() {
		list.ValidIndexes = append(list.ValidIndexes, d.keyIndex)
	}
	a.listed.ts = max(a.listed.ts+1, time.Now().Unix())
	list.Timestamp = proto.Uint64(uint64(a.listed.ts))
	details, err := proto.Marshal(list)
	if err != nil {
		return // cannot be: it is made of numbers
	}
	key := a.phone.keys.Load().IdentityKey
	signature := ecc.CalculateSignature(ecc.NewDjbECPrivateKey(*key.Priv), slices.Concat(keyIndexPrefix, details))
	a.listed.signed, err = proto.Marshal(&waAdv.ADVSignedKeyIndexList{
		Details: details, AccountSignature: signature[:], AccountSignatureKey: key.Pub[:],
	})
	if err == nil {
		a.listed.signer = *key.Pub
	}
}

// keyIndexNodeLocked returns the signed list for wherever devices are named.
func (a *account) keyIndexNodeLocked() node {
	if a.listed.signer != a.phone.identityKey() {
		a.relistLocked()
	}
	return node{Tag: "key-index-list", Attrs: attrs{"ts": a.listed.ts}, Content: a.listed.signed}
}

// devicesNodeLocked is the account's device list.
func (a *account) devicesNodeLocked() node {
	list := []node{{Tag: "device", Attrs: attrs{"id": 0}}}
	for _, d := range a.sortedDevices() {
		list = append(list, node{Tag: "device", Attrs: attrs{"id": int(d.number), "key-index": d.keyIndex}})
	}
	return node{Tag: "devices", Content: []node{
		{Tag: "device-list", Attrs: attrs{"hash": deviceHash(a.deviceJIDs(types.HiddenUserServer))}, Content: list},
		a.keyIndexNodeLocked(),
	}}
}

// announceLocked tells the account's other devices and its contacts' devices that a device
// came or went ("add", "remove"), after the list was changed. It does so in both forms: a client
// keeps a list for each form that it addresses the account by, and looks for the form's own.
func (e *Emulator) announceLocked(d *device, change string) {
	a := d.account
	a.relistLocked()
	byNumber := attrs{"from": a.pn, "lid": a.lid}
	byLID := attrs{"from": a.lid}
	// The LID list's hash would have whatsmeow change that list twice, and drop it as wrong.
	e.announceFormLocked(d, change, byNumber, a.deviceJIDs(types.DefaultUserServer),
		node{Tag: "device", Attrs: attrs{"jid": d.pn, "lid": d.lid, "key-index": d.keyIndex}})
	e.announceFormLocked(d, change, byLID, a.deviceJIDs(types.HiddenUserServer),
		node{Tag: "device", Attrs: attrs{"jid": d.lid, "key-index": d.keyIndex}})
}

// announceFormLocked sends one form of an announcement.
func (e *Emulator) announceFormLocked(d *device, change string, about attrs, list []types.JID, changed node) {
	tell := func(to *device) {
		n := with(node{Tag: "notification", Attrs: about}, attrs{"type": "devices", "id": e.nextIDLocked("devices"), "t": time.Now().Unix()})
		n.Content = []node{{
			Tag: change, Attrs: attrs{"device_hash": deviceHash(list)}, Content: []node{changed, d.account.keyIndexNodeLocked()},
		}}
		e.deliverLocked(to, n)
	}
	for _, other := range d.account.sortedDevices() {
		if other != d {
			tell(other)
		}
	}
	d.account.tellContactsLocked(tell)
}

// tellContactsLocked tells every device of those who know the account.
func (a *account) tellContactsLocked(tell func(*device)) {
	for contact := range a.contacts {
		for _, d := range contact.sortedDevices() {
			tell(d)
		}
	}
}
