package emulator

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"go.mau.fi/whatsmeow/proto/waWa6"
)

// errRefused ends a connection whose login was refused; the client has been told.
var errRefused = errors.New("login refused")

// login lets a linked device in: its number must be known and its Noise static key the one
// that it was paired with. A device that is connected already is replaced.
func (e *Emulator) login(c *conn, p *waWa6.ClientPayload, static [32]byte) error {
	number := strconv.FormatUint(p.GetUsername(), 10)
	e.mu.Lock()
	a := e.accounts[number]
	var d *device
	if a != nil {
		d = a.devices[uint16(p.GetDevice())]
	}
	if d == nil || p.GetDevice() > 255 || d.noise != static {
		e.mu.Unlock()
		why := "no such device"
		if d != nil {
			why = "another Noise key than at pairing"
		}
		e.refuse(c, number, 401, nil, why)
		return e.waitEnd(c)
	}
	// Whether the old socket was open when the new one logged in decides whether this is an
	// overlap. Finding out takes the old reader's help, so no lock is held meanwhile; who came
	// meanwhile is looked at in turn.
	overlap := false
	for old := d.conn; old != nil; old = d.conn {
		e.mu.Unlock()
		overlap = old.peer == nil || old.peer.probe(old.hasEnded)
		e.mu.Lock()
		if d.conn == old {
			break
		}
	}
	if a.devices[d.number] != d { // unlinked meanwhile
		e.mu.Unlock()
		e.refuse(c, number, 401, nil, "no such device")
		return e.waitEnd(c)
	}
	defer e.mu.Unlock()
	c.passive, c.pulls = p.GetPassive(), p.GetPull()
	e.registerLocked(c, d, overlap)
	if !e.deafLocked(d) {
		e.welcomeLocked(c)
	}
	return nil
}

// registerLocked makes c the socket of d and kicks the one before.
func (e *Emulator) registerLocked(c *conn, d *device, overlap bool) {
	now := time.Now()
	d.logins++
	d.lastLogin = now
	c.device, c.login = d, d.logins
	e.referee.loggedIn(d.recentLoginsLocked(now))
	old := d.conn
	d.conn = c
	e.note(Event{Kind: KindLogin, Number: d.account.number, Device: d.pn.String(), Login: c.login})
	if old == nil {
		e.referee.connected(1)
		return
	}
	old.replaced = true
	gone := Event{Kind: KindLogout, Number: d.account.number, Device: d.pn.String(), Login: old.login}
	if !overlap {
		e.note(gone) // its client had gone; we had not noticed yet
		return
	}
	d.conflicts++
	seen := gone
	seen.Kind, seen.Detail = KindOverlap, fmt.Sprintf("the socket of login %d was open when login %d came", old.login, c.login)
	e.note(seen)
	seen.Kind, seen.Detail = KindConflict, fmt.Sprintf("kicked by login %d", c.login)
	e.note(seen)
	gone.Detail = "replaced"
	e.note(gone)
	e.log.Info("conflict: a second login kicked the first", "device", d.pn.String(), "login", c.login)
	if !e.deafLocked(d) {
		old.put(node{Tag: "stream:error", Content: []node{{Tag: "conflict", Attrs: attrs{"type": "replaced"}}}}, time.Time{})
	}
	old.finish()
}

// welcomeLocked greets a device that is in: <success>, then what waited for it.
func (e *Emulator) welcomeLocked(c *conn) {
	c.welcomed = true
	now := time.Now().Unix()
	e.sendLocked(c, node{Tag: "success", Attrs: attrs{
		"t": now, "lid": c.device.lid, "creation": now, "location": "emu", "props": "1", "abprops": "1",
		"display_name": c.device.account.name,
	}})
	e.breakAtLocked(c, AtLogin)
	e.beginOfflineLocked(c, c.device)
	if !c.passive {
		e.breakAtLocked(c, AtActive)
	}
}

// refuse tells a client why it is not let in and books it.
func (e *Emulator) refuse(c *conn, number string, code int, more attrs, why string) {
	e.note(Event{Kind: KindRefused, Number: number, Code: code, Detail: why})
	e.log.Info("login refused", "number", number, "code", code, "reason", why)
	e.fail(c, code, more)
}

// waitEnd reads until the client has gone, so that it reads the refusal first.
func (e *Emulator) waitEnd(c *conn) error {
	for {
		if _, err := c.readNode(); err != nil {
			return errRefused
		}
	}
}

// loginWindow is the time over which Stats.MostLogins10s counts.
const loginWindow = 10 * time.Second

// recentLoginsLocked books a login at now and returns how many there were in the window that ends then.
func (d *device) recentLoginsLocked(now time.Time) int {
	d.recent = slices.DeleteFunc(append(d.recent, now), func(t time.Time) bool { return now.Sub(t) > loginWindow })
	return len(d.recent)
}
