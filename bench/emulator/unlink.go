package emulator

import (
	"fmt"
	"time"

	"go.mau.fi/whatsmeow/types"
)

// Unlink has the phone of number remove a linked device: its client gets 401, and no login
// of it is let in again.
func (e *Emulator) Unlink(number, name string) error {
	j, err := types.ParseJID(name)
	if err != nil || j.Device == 0 {
		return fmt.Errorf("%w: device %q: want a linked device's JID, such as %s:1@s.whatsapp.net", ErrBadInput, name, number)
	}
	a, err := e.accountByNumber(number)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	d := a.devices[j.Device]
	if d == nil || (j != d.pn && j != d.lid) {
		return fmt.Errorf("%w: device %s of phone %s", ErrNotFound, name, number)
	}
	e.removeLocked(d, "the phone unlinked it")
	return nil
}

func (e *Emulator) removeLocked(d *device, why string) {
	delete(d.account.devices, d.number)
	e.note(Event{Kind: KindUnlinked, Number: d.account.number, Device: d.pn.String(), Detail: why})
	if c := d.conn; c != nil {
		deaf := e.deafLocked(d)
		e.dropLocked(c, why)
		if deaf {
			e.spawnLocked(c.close)
		} else {
			streamError(c, time.Time{}, "401", node{Tag: "conflict", Attrs: attrs{"type": "device_removed"}})
		}
	}
	e.announceLocked(d, "remove")
}

// loggedOut ends a device that removed itself; it has its answer.
func (e *Emulator) loggedOut(c *conn, d *device) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if d.account.devices[d.number] != d {
		return
	}
	d.conn = nil
	e.referee.connected(-1)
	e.note(Event{Kind: KindLogout, Number: d.account.number, Device: d.pn.String(), Login: c.login, Detail: "logged out"})
	c.replaced = true
	e.removeLocked(d, "it logged out")
	c.finish()
}
