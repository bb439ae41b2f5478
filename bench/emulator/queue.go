package emulator

import (
	"fmt"

	"go.mau.fi/whatsmeow/types"
)

// queued is a stanza that a device has not acknowledged. It is sent again at every login
// until it is.
type queued struct {
	node     node
	id       string
	class    string // its tag
	from     types.JID
	by       types.JID // participant, of a group's
	waitedOn *conn     // the socket at whose login it waited
	sentOn   *conn     // the socket that it last left on
	raw      bool      // ordered by SendStanza: sent as it is
}

// primer is how much of what waited a client that pulls is sent unasked. WhatsApp sends about as
// many, and keeps the rest until the client asks for a batch.
const primer = 5

// offlineState is where a connection stands with what had waited for it.
type offlineState struct {
	pending bool // the preview was sent, the end was not
	total   int  // stanzas that waited at login
	batched bool // the client asks for batches
}

// deliverLocked queues a stanza for a device, and sends it if it is connected and has caught
// up with what waited before.
func (e *Emulator) deliverLocked(d *device, n node) {
	e.queueLocked(d, &queued{node: n})
}

func (e *Emulator) queueLocked(d *device, q *queued) {
	q.id, q.class, q.from, q.by = text(&q.node, "id"), q.node.Tag, jid(&q.node, "from"), jid(&q.node, "participant")
	d.queue = append(d.queue, q)
	if c := d.conn; c != nil && c.welcomed && !c.offline.pending && !e.deafLocked(d) {
		q.sentOn = c
		e.sendLocked(c, q.node)
	}
}

// sendLocked puts a stanza on a socket, through the faults of its device.
func (e *Emulator) sendLocked(c *conn, n node) {
	number := "" // nobody's yet
	if d := c.device; d != nil {
		number = d.account.number
	}
	if e.faultLocked(FaultDeaf, number) == nil {
		c.put(n, e.delayLocked(number))
	}
}

// beginOfflineLocked announces what waited. A client that pulls gets a primer, and then the batches
// that it asks for; one that came passive gets everything once it says that it is active, unless it
// has asked for batches by then; others get everything at once.
func (e *Emulator) beginOfflineLocked(c *conn, d *device) {
	c.offline = offlineState{pending: true, total: len(d.queue)}
	for _, q := range d.queue {
		q.waitedOn = c
	}
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
	switch {
	case len(d.queue) == 0:
		e.sendOfflineLocked(c, d, 0)
	case c.passive:
	case c.pulls:
		c.offline.batched = true
		e.sendOfflineLocked(c, d, primer)
	default:
		e.sendOfflineLocked(c, d, 0)
	}
}

// activeLocked is the client's word that it takes stanzas now.
func (e *Emulator) activeLocked(c *conn) {
	c.passive = false
	if c.offline.pending && !c.offline.batched {
		e.sendOfflineLocked(c, c.device, 0)
	}
}

// batchLocked is the client's wish for up to count stanzas.
func (e *Emulator) batchLocked(c *conn, count int) {
	if c.device == nil || !c.offline.pending || count <= 0 {
		return
	}
	if !c.offline.batched {
		c.offline.batched = true
		count += primer
	}
	e.sendOfflineLocked(c, c.device, count)
}

// sendOfflineLocked sends up to limit of the stanzas that waited (0: all), numbered, the end mark
// after the last, and then what has come since the login.
func (e *Emulator) sendOfflineLocked(c *conn, d *device, limit int) {
	sent, left := 0, 0
	for i, q := range d.queue {
		if q.waitedOn != c || q.sentOn == c {
			continue
		}
		if limit > 0 && sent == limit {
			left++
			continue
		}
		sent++
		q.sentOn = c
		if q.raw {
			e.sendLocked(c, q.node)
			continue
		}
		e.sendLocked(c, with(q.node, attrs{"offline": fmt.Sprint(min(i, 9))}))
	}
	if left > 0 {
		return
	}
	c.offline.pending = false
	e.sendLocked(c, node{Tag: "ib", Attrs: attrs{"from": types.ServerJID}, Content: []node{{
		Tag: "offline", Attrs: attrs{"count": c.offline.total},
	}}})
	e.sendUnsentLocked(c, d)
}

// sendUnsentLocked sends what this socket has not been sent.
func (e *Emulator) sendUnsentLocked(c *conn, d *device) {
	for _, q := range d.queue {
		if q.sentOn != c {
			q.sentOn = c
			e.sendLocked(c, q.node)
		}
	}
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
	if !c.offline.pending {
		e.sendUnsentLocked(c, d)
	}
}

// acknowledgement is a device's word that it has a stanza: by its class and ID, to whom it came
// from, in a group with its participant.
type acknowledgement struct {
	class, id string
	to, by    types.JID
}

// settleLocked takes an acknowledged stanza off the queue. One that is acknowledged to somebody else
// than it came from stays, and the mistake is booked: WhatsApp would send it again, too.
func (e *Emulator) settleLocked(c *conn, d *device, a acknowledgement) {
	var other *queued
	for i, q := range d.queue {
		if q.id != a.id || q.class != a.class {
			continue
		}
		if q.class == "iq" || q.from.IsEmpty() {
			// Its id alone names a query. What names nobody that it is from is a raw stanza.
			d.queue = append(d.queue[:i:i], d.queue[i+1:]...)
			return
		}
		if q.from == a.to && (a.by.IsEmpty() || q.by.ToNonAD() == a.by.ToNonAD()) {
			d.queue = append(d.queue[:i:i], d.queue[i+1:]...)
			return
		}
		other = q
	}
	if other == nil {
		return
	}
	e.note(Event{
		Kind: KindClientError, Number: d.account.number, Device: d.pn.String(), Login: c.login, Peer: a.to.String(), ID: a.id,
		Detail: fmt.Sprintf("acknowledged to %s for a %s from %s", named(a.to, a.by), a.class, named(other.from, other.by)),
	})
}

// named is a JID and, in a group, who of it is meant.
func named(j, by types.JID) string {
	switch {
	case j.IsEmpty():
		return "nobody"
	case by.IsEmpty():
		return j.String()
	}
	return by.String() + " in " + j.String()
}
