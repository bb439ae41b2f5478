package emulator

import (
	"fmt"
	"time"

	"go.mau.fi/whatsmeow/types"
)

// receive takes one stanza from a client.
func (e *Emulator) receive(c *conn, n *node) {
	e.mu.Lock()
	d := c.device
	if d == nil {
		e.mu.Unlock()
		e.receiveUnpaired(c, n)
		return
	}
	switch {
	case c.replaced:
		// Evidence that the kicked client was alive: it spoke after it was replaced.
		if n.Tag != "ack" && n.Tag != "receipt" {
			e.note(Event{Kind: KindStale, Number: d.account.number, Device: d.pn.String(), Login: c.login, ID: text(n, "id"), Detail: n.Tag})
		}
		e.mu.Unlock()
		return
	case e.deafLocked(d):
		e.note(Event{Kind: KindUnheard, Number: d.account.number, Device: d.pn.String(), Login: c.login, ID: text(n, "id"), Detail: n.Tag})
		e.mu.Unlock()
		return
	}
	e.mu.Unlock()

	switch n.Tag {
	case "iq":
		e.receiveIQ(c, d, n)
	case "message":
		e.receiveMessage(c, d, n)
	case "receipt":
		e.receiveReceipt(c, d, n)
	case "ack":
		e.receiveAck(c, d, n)
	case "ib":
		if batch, ok := child(n, "offline_batch"); ok {
			e.mu.Lock()
			e.batchLocked(c, number(batch, "count"))
			e.mu.Unlock()
			e.introduce(c)
		}
	case "presence", "chatstate":
		// Nobody watches presence here.
	case "call", "notification":
		e.reply(c, node{Tag: "ack", Attrs: attrs{"class": n.Tag, "id": text(n, "id"), "from": types.ServerJID}})
	default:
		e.note(Event{Kind: KindUnknown, Number: d.account.number, Device: d.pn.String(), ID: text(n, "id"), Detail: "stanza " + n.Tag})
	}
}

// receiveUnpaired takes a stanza of a client that waits to be scanned. It may ping; of queries that
// nothing here knows it is told so, as paired ones are.
func (e *Emulator) receiveUnpaired(c *conn, n *node) {
	e.mu.Lock()
	defer e.mu.Unlock()
	id, kind, p := text(n, "id"), text(n, "type"), c.pairing
	switch {
	case p == nil || n.Tag == "ib":
	case e.faultLocked(FaultDeaf, "") != nil:
		e.note(Event{Kind: KindUnheard, ID: id, Detail: "unpaired: " + n.Tag})
	case n.Tag != "iq":
		e.note(Event{Kind: KindUnknown, ID: id, Detail: "unpaired: stanza " + n.Tag})
	case kind == "result" || kind == "error":
		if p.answerID != "" && id == p.answerID {
			p.answerID = ""
			p.answer <- n
		}
	case id == "":
		e.note(Event{Kind: KindClientError, Detail: "unpaired: iq without id"})
	case isPing(n):
		e.sendLocked(c, node{Tag: "iq", Attrs: attrs{"from": from(n), "type": "result", "id": id, "t": time.Now().Unix()}})
	default:
		e.note(Event{Kind: KindUnknown, ID: id, Detail: "unpaired: " + describe(n)})
		e.sendLocked(c, errUnknownIQ.answer(n))
	}
}

// reply sends a stanza to a client now.
func (e *Emulator) reply(c *conn, n node) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sendLocked(c, n)
}

// receiveIQ answers a query. A query that is not known gets an error, never a blank result
// that could pass for an answer.
func (e *Emulator) receiveIQ(c *conn, d *device, n *node) {
	kind := text(n, "type")
	id := text(n, "id")
	if kind == "result" || kind == "error" {
		e.mu.Lock()
		e.settleLocked(c, d, acknowledgement{class: "iq", id: id, to: jid(n, "to")})
		e.mu.Unlock()
		return
	}
	if id == "" {
		e.note(Event{Kind: KindClientError, Number: d.account.number, Device: d.pn.String(), Detail: "iq without id"})
		return
	}
	content, err := e.answer(c, d, n)
	if err != nil {
		if err.unknown {
			e.note(Event{Kind: KindUnknown, Number: d.account.number, Device: d.pn.String(), ID: id, Detail: describe(n)})
		}
		e.reply(c, err.answer(n))
		return
	}
	out := node{Tag: "iq", Attrs: attrs{"from": from(n), "type": "result", "id": id, "t": time.Now().Unix()}}
	if len(content) > 0 {
		out.Content = content
	}
	e.reply(c, out)
	if isActive(n) {
		e.mu.Lock()
		e.breakAtLocked(c, AtActive)
		e.mu.Unlock()
	}
	if _, gone := child(n, "remove-companion-device"); gone && text(n, "xmlns") == "md" {
		e.loggedOut(c, d)
	}
}

// from is whom an answer comes from: whom the query was sent to.
func from(n *node) types.JID {
	if to := jid(n, "to"); !to.IsEmpty() {
		return to
	}
	return types.ServerJID
}

func describe(n *node) string {
	tag := "empty"
	if children := n.GetChildren(); len(children) > 0 {
		tag = children[0].Tag
	}
	return fmt.Sprintf("iq %s %s <%s>", text(n, "xmlns"), text(n, "type"), tag)
}

// receiveAck books a client's acknowledgement. A NACK is not a settlement like another: the
// client says that it could not use the stanza.
func (e *Emulator) receiveAck(c *conn, d *device, n *node) {
	e.mu.Lock()
	defer e.mu.Unlock()
	id, class := text(n, "id"), text(n, "class")
	e.introducedLocked(d, id)
	e.settleLocked(c, d, acknowledgement{class: class, id: id, to: jid(n, "to"), by: jid(n, "participant")})
	if code := text(n, "error"); code != "" {
		e.note(Event{Kind: KindNack, Number: d.account.number, Device: d.pn.String(), Login: c.login, ID: id, Code: number(n, "error"), Detail: class})
	}
}
