package emulator

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.mau.fi/whatsmeow/types"
)

// account is a phone number on WhatsApp: its phone and the devices linked to it. Guarded by
// Emulator.mu, but for phone, which has its own lock.
type account struct {
	number   string
	name     string
	pn, lid  types.JID // without device
	phone    *phone
	devices  map[uint16]*device // linked ones; the phone is device 0 and not among them
	issued   uint16             // highest device number ever given
	contacts map[*account]struct{}
	accepted map[string]struct{} // IDs of messages it sent
	asked    map[string]int      // of them: how often each was asked for again, and has not been resent
	listed   keyIndexes
	settings *appState // nil until a device was paired
}

// device is one linked device. Guarded by Emulator.mu.
type device struct {
	account  *account
	number   uint16
	pn, lid  types.JID // with the device number
	keyIndex uint32
	noise    [32]byte // its static key: what authenticates a login
	identity []byte   // an ADVSignedDeviceIdentity by phone and device, as it was paired; nil if it was only linked
	keys     deviceKeys

	conn        *conn
	queue       []*queued
	logins      int
	conflicts   int
	lastLogin   time.Time
	recent      []time.Time // logins of the last 10 s
	ratchets    *ratchets
	askedToFill bool // told that its one-time keys run out
	fresh       bool // it was paired, and its phone has not told it all

	introduction string // what it is to acknowledge next of what its phone tells
	fewKeys      bool   // the first count was answered by Options.FewPrekeys
}

const (
	minDigits = 5
	maxDigits = 15 // E.164
)

func checkNumber(number string) error {
	if len(number) < minDigits || len(number) > maxDigits || strings.Trim(number, "0123456789") != "" || number[0] == '0' {
		return fmt.Errorf("%w: number %q: want %d to %d digits with country code, no leading zero", ErrBadInput, number, minDigits, maxDigits)
	}
	return nil
}

// lidOf makes an account's LID user from its number: 15 digits, the same in every run.
func lidOf(number string) string {
	h := fnv.New64a()
	h.Write([]byte(number))
	return strconv.FormatUint(100_000_000_000_000+h.Sum64()%800_000_000_000_000, 10)
}

// AddPhone puts a phone with that number on WhatsApp and returns its JID. name is what
// recipients see as its push name. forms are other national forms of the number (Argentina's without
// the 9, Brazil's without the ninth digit): who looks one of them up is told the number itself.
func (e *Emulator) AddPhone(number, name string, forms ...string) (string, error) {
	for _, n := range append([]string{number}, forms...) {
		if err := checkNumber(n); err != nil {
			return "", err
		}
	}
	a := &account{
		number:   number,
		name:     cmp.Or(name, number),
		pn:       types.NewJID(number, types.DefaultUserServer),
		lid:      types.NewJID(lidOf(number), types.HiddenUserServer),
		devices:  make(map[uint16]*device),
		contacts: make(map[*account]struct{}),
		accepted: make(map[string]struct{}),
		asked:    make(map[string]int),
	}
	a.phone = newPhone(e, a)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return "", ErrClosed
	}
	for _, n := range append([]string{number}, forms...) {
		if e.accounts[n] != nil || e.forms[n] != nil {
			return "", fmt.Errorf("%w: phone %s exists", ErrConflict, n)
		}
	}
	if other, ok := e.lids[a.lid.User]; ok {
		return "", fmt.Errorf("%w: phone %s has the LID of %s; use another number", ErrConflict, number, other.number)
	}
	e.accounts[number] = a
	e.lids[a.lid.User] = a
	for _, n := range forms {
		e.forms[n] = a
	}
	e.note(Event{Kind: KindPhone, Number: number})
	return a.pn.String(), nil
}

// accountLocked finds the account of a JID in either form.
func (e *Emulator) accountLocked(j types.JID) *account {
	switch j.Server {
	case types.DefaultUserServer, types.LegacyUserServer:
		return e.accounts[j.User]
	case types.HiddenUserServer:
		return e.lids[j.User]
	}
	return nil
}

// deviceLocked finds a linked device of a JID in either form; nil for a phone.
func (e *Emulator) deviceLocked(j types.JID) *device {
	if a := e.accountLocked(j); a != nil {
		return a.devices[j.Device]
	}
	return nil
}

// sortedDevices is the account's linked devices by number.
func (a *account) sortedDevices() []*device {
	return slices.SortedFunc(maps.Values(a.devices), func(x, y *device) int { return cmp.Compare(x.number, y.number) })
}

// deviceJIDs is every device of the account, the phone first, in LID or phone number form.
func (a *account) deviceJIDs(server string) []types.JID {
	base := a.lid
	if server != types.HiddenUserServer {
		base = a.pn
	}
	out := []types.JID{base}
	for _, d := range a.sortedDevices() {
		j := base
		j.Device = d.number
		out = append(out, j)
	}
	return out
}

// DeviceInfo is what GET /devices tells of a linked device.
type DeviceInfo struct {
	Device      string    `json:"device"`
	Connected   bool      `json:"connected"`
	Logins      int       `json:"logins"`
	Conflicts   int       `json:"conflicts"`
	LastLoginAt time.Time `json:"last_login_at,omitzero"`
	Queued      int       `json:"queued"` // stanzas that wait to be acknowledged by it
}

// Devices lists all linked devices, by number and device.
func (e *Emulator) Devices() []DeviceInfo {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := []DeviceInfo{}
	for _, number := range slices.Sorted(maps.Keys(e.accounts)) {
		for _, d := range e.accounts[number].sortedDevices() {
			out = append(out, DeviceInfo{
				Device: d.pn.String(), Connected: d.conn != nil, Logins: d.logins,
				Conflicts: d.conflicts, LastLoginAt: d.lastLogin, Queued: len(d.queue),
			})
		}
	}
	return out
}
