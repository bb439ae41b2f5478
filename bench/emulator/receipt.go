package emulator

import (
	"time"

	"go.mau.fi/whatsmeow/types"
)

// receiveReceipt takes a device's receipt: it settles what the device had queued, and goes
// on to those whom it tells something.
func (e *Emulator) receiveReceipt(c *conn, d *device, n *node) {
	e.mu.Lock()
	defer e.mu.Unlock()
	id, to, kind := text(n, "id"), jid(n, "to"), text(n, "type")
	ev := Event{Kind: KindReceipt, Number: d.account.number, Device: d.pn.String(), Login: c.login, ID: id, Detail: kind}
	if id == "" || to.IsEmpty() {
		ev.Kind, ev.Detail = KindClientError, "receipt without id or to"
		e.note(ev)
		return
	}
	ev.Peer = to.String()
	if kind == "retry" {
		ev.Kind = KindRetry
		if retry, ok := child(n, "retry"); ok {
			ev.Code = number(retry, "count")
		}
	}
	e.note(ev)
	ack := attrs{"class": "receipt", "id": id, "from": to}
	if kind != "" {
		ack["type"] = kind
	}
	if p := jid(n, "participant"); !p.IsEmpty() {
		ack["participant"] = p
	}
	e.sendLocked(c, node{Tag: "ack", Attrs: ack})

	if kind != "retry" {
		class := "message"
		if _, offer := child(n, "offer"); offer {
			class = "call" // the receipt of its first stanza
		}
		for _, settled := range receiptIDs(n) {
			e.settleLocked(c, d, acknowledgement{class: class, id: settled, to: to, by: jid(n, "participant")})
		}
	}
	if kind == "peer_msg" {
		e.introducedLocked(d, id)
	}
	e.forwardReceiptLocked(d.account, d.lid, n)
}

// receiptIDs is every message that a receipt is about: its own ID and its list's.
func receiptIDs(n *node) []string {
	ids := []string{text(n, "id")}
	if list, ok := child(n, "list"); ok {
		for _, item := range list.GetChildren() {
			if id := text(&item, "id"); item.Tag == "item" && id != "" {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// Receipts that stay within the account: the other side is not to know.
func staysHome(kind string) bool {
	switch kind {
	case "read-self", "played-self", "sender", "hist_sync", "peer_msg", "inactive-self":
		return true
	}
	return false
}

// forwardReceiptLocked passes a receipt on. A retry goes to the device that sent the message;
// others go to all devices of the account, since its phone shows them too. It is never
// echoed to the device that it came from.
func (e *Emulator) forwardReceiptLocked(sender *account, from types.JID, n *node) {
	to, kind := jid(n, "to"), text(n, "type")
	out := attrs{"from": from, "id": text(n, "id"), "t": time.Now().Unix()}
	if kind != "" {
		out["type"] = kind
	}
	if r := jid(n, "recipient"); !r.IsEmpty() {
		out["recipient"] = r
	}
	target := e.accountLocked(to)
	if to.Server == types.GroupServer {
		target = e.accountLocked(jid(n, "participant"))
		out["from"], out["participant"] = to, from
		to = jid(n, "participant")
	}
	if staysHome(kind) {
		if target != sender {
			out["recipient"] = to.ToNonAD()
		}
		target, to = sender, sender.lid
	}
	if target == nil {
		return
	}
	receipt := node{Tag: "receipt", Attrs: out, Content: n.Content}
	if kind == "retry" {
		target.asked[text(n, "id")]++
		e.handOverLocked(to, receipt)
		return
	}
	for _, j := range target.deviceJIDs(types.HiddenUserServer) {
		if j != from {
			e.handOverLocked(j, receipt)
		}
	}
}
