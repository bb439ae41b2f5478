package emulator

import (
	"fmt"
	"time"

	"go.mau.fi/whatsmeow/types"
)

// queued is a stanza that a device has not acknowledged. It is sent again at every login
// until it is.
type queued struct {
	node   node
	id     string
	class  string // its tag
	from   types.JID
	sentOn *conn // the socket that it last left on
}

// offlineState is where a connection stands with what had waited for it.
type offlineState struct {
	pending bool // the preview was sent, the end was not
	total   int  // stanzas that waited at login
	batched bool // the client asks for batches
}

// deliverLocked queues a stanza for a device, and sends it if it is connected and has caught
// up with what waited before.
func (e *Emulator) deliverLocked(d *device, n node) {
	q := &queued{node: n, id: text(&n, "id"), class: n.Tag, from: jid(&n, "from")}
	d.queue = append(d.queue, q)
	if c := d.conn; c != nil && c.welcomed && !c.offline.pending && !e.deafLocked(d) {
		q.sentOn = c
		e.sendLocked(c, n)
	}
}

// sendLocked puts a stanza on a socket, through the faults of its device.
func (e *Emulator) sendLocked(c *conn, n node) {
	var due time.Time
	if d := c.device; d != nil {
		if e.deafLocked(d) {
			return
		}
		due = e.delayLocked(d)
	}
	c.put(n, due)
}

// beginOfflineLocked announces what waited. A client that asks for batches gets them;
// others get everything once they say that they are active, or at once if they came active.
func (e *Emulator) beginOfflineLocked(c *conn, d *device, passive bool) {
	c.offline = offlineState{pending: true, total: len(d.queue)}
	if len(d.queue) > 0 {
		count := map[string]int{}
		for _, q := range d.queue {
			count[q.class]++
		}
		e.sendLocked(c, node{Tag: "ib", Attrs: attrs{"from": types.ServerJID}, Content: []node{{
			Tag: "offline_preview",
			Attrs: attrs{"count": len(d.queue), "appdata": 0, "message": count["message"],
				"notification": count["notification"], "receipt": count["receipt"]},
		}}})
	}
	if len(d.queue) == 0 || !passive {
		e.sendOfflineLocked(c, d, 0)
	}
}

// activeLocked is the client's word that it takes stanzas now.
func (e *Emulator) activeLocked(c *conn) {
	if c.offline.pending && !c.offline.batched {
		e.sendOfflineLocked(c, c.device, 0)
	}
}

// batchLocked is the client's wish for up to count stanzas.
func (e *Emulator) batchLocked(c *conn, count int) {
	if c.device != nil && c.offline.pending && count > 0 {
		c.offline.batched = true
		e.sendOfflineLocked(c, c.device, count)
	}
}

// sendOfflineLocked sends up to limit of the stanzas that waited (0: all), numbered, and the
// end mark after the last.
func (e *Emulator) sendOfflineLocked(c *conn, d *device, limit int) {
	sent, left := 0, 0
	for i, q := range d.queue {
		if q.sentOn == c {
			continue
		}
		if limit > 0 && sent == limit {
			left++
			continue
		}
		sent++
		q.sentOn = c
		e.sendLocked(c, with(q.node, attrs{"offline": fmt.Sprint(min(i, 9))}))
	}
	if left > 0 {
		return
	}
	c.offline.pending = false
	e.sendLocked(c, node{Tag: "ib", Attrs: attrs{"from": types.ServerJID}, Content: []node{{
		Tag: "offline", Attrs: attrs{"count": c.offline.total},
	}}})
}

// flushLocked sends what did not reach a connected device while the server was deaf.
func (e *Emulator) flushLocked(d *device) {
	c := d.conn
	if c == nil {
		return
	}
	if !c.welcomed {
		e.welcomeLocked(c)
		return
	}
	if c.offline.pending {
		return
	}
	for _, q := range d.queue {
		if q.sentOn != c {
			q.sentOn = c
			e.sendLocked(c, q.node)
		}
	}
}

// settleLocked takes an acknowledged stanza off the queue. A device acknowledges by ID and
// class, naming whom it came from.
func (e *Emulator) settleLocked(d *device, class, id string, from types.JID) bool {
	for i, q := range d.queue {
		if q.id == id && q.class == class && (from.IsEmpty() || q.from == from) {
			d.queue = append(d.queue[:i:i], d.queue[i+1:]...)
			return true
		}
	}
	return false
}
