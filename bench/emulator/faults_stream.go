package emulator

import (
	"strconv"
	"time"
)

// breakStreamsLocked sends the fault's stream error to each socket of its number, or of everybody.
func (e *Emulator) breakStreamsLocked(f Fault) {
	for c := range e.conns {
		if c.device == nil || c.replaced || (f.Number != everyone && c.device.account.number != f.Number) {
			continue
		}
		e.breakStreamLocked(c, f)
	}
}

// breakAtLocked sends a stream error that is ordered for this moment of a login, a pause later.
func (e *Emulator) breakAtLocked(c *conn, at string) {
	number := c.device.account.number
	if a := e.faultLocked(FaultStreamError, number); c.replaced || a == nil || a.At != at {
		return
	}
	f := e.useLocked(FaultStreamError, number).Fault
	e.spawnLocked(func() {
		select {
		case <-time.After(pause):
		case <-c.ctx.Done():
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		if !c.replaced {
			e.breakStreamLocked(c, f)
		}
	})
}

func (e *Emulator) breakStreamLocked(c *conn, f Fault) {
	n := f.streamError()
	d := c.device
	e.note(Event{Kind: KindStreamError, Number: d.account.number, Device: d.pn.String(), Login: c.login, Code: int(f.Code), Detail: f.Tag})
	if f.Close != nil && !*f.Close {
		e.sendLocked(c, n)
		return
	}
	e.dropLocked(c, "stream error")
	c.put(n, time.Time{})
	c.finish()
}

// streamError is the stanza that the fault orders. A conflict has a type: 401 says that the device
// was removed, any other that it was replaced.
func (f Fault) streamError() node {
	n := node{Tag: "stream:error", Attrs: attrs{}}
	if f.Code != 0 {
		n.Attrs["code"] = strconv.Itoa(int(f.Code))
	}
	if f.Tag == "" {
		return n
	}
	inner := node{Tag: f.Tag}
	if f.Tag == "conflict" {
		kind := "replaced"
		if f.Code == 401 {
			kind = "device_removed"
		}
		inner.Attrs = attrs{"type": kind}
	}
	n.Content = []node{inner}
	return n
}
