package emulator

import (
	"errors"
	"fmt"
)

// Linking is a device to be linked without a code: what its screen would show and its client
// register, and the one-time keys that it would upload at its first login.
type Linking struct {
	Number       string   `json:"number"` // its phone's, which is put on WhatsApp where it is not there
	Name         string   `json:"name"`   // of such a phone
	Registration uint32   `json:"registration"`
	Noise        []byte   `json:"noise"`         // public keys of 32 bytes, here and below
	Identity     []byte   `json:"identity"`      //
	SignedKey    []byte   `json:"signed_key"`    // its ID is 1
	Signature    []byte   `json:"signature"`     // 64 bytes, by the identity key
	OneTimeKeys  [][]byte `json:"one_time_keys"` // their IDs are 1, 2, 3, …
}

// Linked is what a pairing tells the client.
type Linked struct {
	Device string `json:"device"` // JID
	LID    string `json:"lid"`
	// Identity is an ADVSignedDeviceIdentity with the phone's signature; the device's own is the
	// client's to add, as when it is paired.
	Identity []byte `json:"identity"`
}

// Link links devices without the screen and the camera of a pairing, for load tests that need
// thousands: the client must store what a pairing would have left with it, and can then log in.
func (e *Emulator) Link(devices []Linking) ([]Linked, error) {
	all := make([]Linked, 0, len(devices))
	for _, l := range devices {
		linked, err := e.link(l)
		if err != nil {
			return nil, fmt.Errorf("device %d: %w", len(all)+1, err)
		}
		all = append(all, linked)
	}
	return all, nil
}

func (e *Emulator) link(l Linking) (Linked, error) {
	keys, err := l.keys()
	if err != nil {
		return Linked{}, fmt.Errorf("%w: %w", ErrBadInput, err)
	}
	if _, err := e.AddPhone(l.Number, l.Name); err != nil && !errors.Is(err, ErrConflict) {
		return Linked{}, err
	}
	a, err := e.accountByNumber(l.Number)
	if err != nil {
		return Linked{}, err
	}
	e.mu.Lock()
	d, err := a.issueLocked([32]byte(l.Noise), keys)
	e.mu.Unlock()
	if err != nil {
		return Linked{}, err
	}
	identity, err := a.phone.vouch(d)
	if err != nil {
		return Linked{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.linkedLocked(d)
	return Linked{Device: d.pn.String(), LID: d.lid.String(), Identity: identity}, nil
}

// keys checks the public keys as a registration's are checked.
func (l Linking) keys() (deviceKeys, error) {
	if len(l.Noise) != 32 || len(l.Identity) != 32 {
		return deviceKeys{}, errors.New("noise or identity key of wrong length")
	}
	k := deviceKeys{registration: l.Registration, identity: [32]byte(l.Identity)}
	var err error
	if k.signed, err = newSignedKey(k.identity, bytes24(1), l.SignedKey, l.Signature); err != nil {
		return deviceKeys{}, err
	}
	for i, public := range l.OneTimeKeys {
		if len(public) != 32 {
			return deviceKeys{}, fmt.Errorf("one-time key %d of wrong length", i+1)
		}
		k.oneTime = append(k.oneTime, oneTimeKey{uint32(i + 1), [32]byte(public)})
	}
	return k, nil
}
