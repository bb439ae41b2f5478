package emulator

import (
	"strings"
	"time"

	"go.mau.fi/whatsmeow/types"
)

// Codes of acks that refuse a message.
const (
	refuseBad     = 400 // nobody among its participants, or not readable
	refuseGroup   = 403 // not a member
	refuseUnknown = 404 // not on WhatsApp
	refuseServer  = 479 // a kind of chat that is not emulated
)

// receiveMessage takes a message from a linked device: the referee looks at every
// ciphertext, each addressed device gets its own, and the sender its ack. A refused message
// is delivered to nobody.
func (e *Emulator) receiveMessage(c *conn, d *device, n *node) {
	id, to := text(n, "id"), jid(n, "to")
	if id == "" || to.IsEmpty() {
		e.note(Event{Kind: KindClientError, Number: d.account.number, Device: d.pn.String(), ID: id, Detail: "message without id or to"})
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	m := &routing{id: id, from: d.lid, sender: d.account, device: d, node: n, to: to}
	m.readLocked(e, func(j types.JID, enc *node) { e.judgeLocked(c, d, j.SignalAddress().String(), enc, id) })
	if to.Server == types.GroupServer {
		if skmsg, ok := child(n, "enc"); ok && text(skmsg, "type") == "skmsg" {
			e.judgeLocked(c, d, to.String(), skmsg, id)
		}
	}
	code := e.nackLocked(m)
	if code == 0 {
		code = e.routeLocked(m)
	}
	ack := attrs{"class": "message", "id": id, "from": to, "t": time.Now().Unix()}
	ev := Event{Number: d.account.number, Device: d.pn.String(), Login: c.login, Peer: to.String(), ID: id}
	if code != 0 {
		ack["error"] = code
		ev.Kind, ev.Code = KindMessageFailed, code
		e.note(ev)
	} else if hash := e.staleListLocked(m); hash != "" {
		ack["phash"] = hash // the client's device list is out of date: it fetches it anew
	}
	if code == 0 && e.losesAckLocked(d) {
		ev.Kind = KindLostAck
		e.note(ev)
		return
	}
	e.ackLocked(c, d, ack)
}

// routing is one message on its way through the server, from a device or from a phone.
type routing struct {
	id     string
	from   types.JID // LID form, with device
	sender *account
	device *device // nil: the phone
	node   *node
	to     types.JID

	direct *node    // the enc of a resend, group or peer message
	parts  []part   // one per addressed device
	group  *group   // of a group message
	target *account // of a direct message
}

// part is one device's share of a message.
type part struct {
	to  types.JID
	enc *node
}

// readLocked takes the message apart and shows each device's ciphertext to see.
func (m *routing) readLocked(e *Emulator, see func(types.JID, *node)) {
	m.target = e.accountLocked(m.to)
	if m.to.Server == types.GroupServer {
		m.group = e.groups[m.to.User]
	}
	m.direct, _ = child(m.node, "enc")
	if m.resend() {
		// A resend delivers its direct enc only, whatever stands beside it.
		j := m.to
		if p := jid(m.node, "participant"); !p.IsEmpty() {
			j = p
		}
		if m.direct != nil {
			m.parts = []part{{j, m.direct}}
			see(e.lidLocked(j), m.direct)
		}
		return
	}
	participants, _ := child(m.node, "participants")
	if participants == nil {
		return
	}
	for _, p := range participants.GetChildren() {
		j := jid(&p, "jid")
		enc, ok := child(&p, "enc")
		if p.Tag != "to" || j.IsEmpty() || !ok {
			continue
		}
		m.parts = append(m.parts, part{j, enc})
		see(e.lidLocked(j), enc)
	}
}

// resend says whether the message answers a retry receipt, or is for one device for another
// reason (a message to the own phone is "peer"). Clients mark it in different ways, or only by a
// ciphertext that is not within participants.
func (m *routing) resend() bool {
	if text(m.node, "device_fanout") == "false" || text(m.node, "category") == "peer" {
		return true
	}
	if m.to.Server == types.GroupServer {
		return !jid(m.node, "participant").IsEmpty()
	}
	_, fanned := child(m.node, "participants")
	_, direct := child(m.node, "enc")
	return m.to.Device != 0 || direct && !fanned
}

// lidLocked is a JID in LID form with its device, where its account is known.
func (e *Emulator) lidLocked(j types.JID) types.JID {
	if a := e.accountLocked(j); a != nil {
		out := a.lid
		out.Device = j.Device
		return out
	}
	return j
}

// routeLocked delivers a message, or returns the code that refuses it.
func (e *Emulator) routeLocked(m *routing) int {
	switch m.to.Server {
	case types.DefaultUserServer, types.HiddenUserServer, types.LegacyUserServer:
		if m.target == nil {
			return refuseUnknown
		}
	case types.GroupServer:
		if m.group == nil {
			return refuseUnknown
		}
		if !m.group.has(m.sender) {
			return refuseGroup
		}
	default:
		return refuseServer
	}
	if code := e.checkPartsLocked(m); code != 0 {
		return code
	}
	e.countLocked(m)
	if m.target != nil && m.target != m.sender {
		m.target.contacts[m.sender] = struct{}{}
		m.sender.contacts[m.target] = struct{}{}
	}
	if m.group != nil && !m.resend() {
		e.fanOutGroupLocked(m)
		return 0
	}
	for _, p := range m.parts {
		e.handOverLocked(p.to, m.copyFor(e, p))
	}
	return 0
}

// checkPartsLocked refuses a message that would reach nobody: whatsmeow sends one, and
// reports success, when it could encrypt for no device.
func (e *Emulator) checkPartsLocked(m *routing) int {
	reached := 0
	for _, p := range m.parts {
		if a := e.accountLocked(p.to); a != nil && (a == m.target || m.group != nil) {
			reached++
		}
	}
	if m.group != nil && !m.resend() && m.direct != nil {
		reached++
	}
	if reached > 0 {
		return 0
	}
	ev := Event{Kind: KindEmpty, Number: m.sender.number, Peer: m.to.String(), ID: m.id}
	if m.device != nil {
		ev.Device = m.device.pn.String()
	}
	e.note(ev)
	return refuseBad
}

// countLocked books an accepted message: once per ID, and every further one as a duplicate.
// A resend that a device asked for is neither, be it for that device alone or for all again.
func (e *Emulator) countLocked(m *routing) {
	if m.device == nil && text(m.node, "category") == "peer" {
		return // nobody wrote it
	}
	ev := Event{Kind: KindMessage, Number: m.sender.number, Peer: m.to.String(), ID: m.id}
	if m.device != nil {
		ev.Device = m.device.pn.String()
		if m.device.conn != nil {
			ev.Login = m.device.conn.login
		}
	}
	if m.target != nil {
		ev.Peer = m.target.pn.String()
	}
	if _, again := m.sender.accepted[m.id]; again {
		asked := m.sender.askedLocked(m.id)
		if asked || m.resend() {
			return
		}
		ev.Kind = KindDuplicate
	}
	m.sender.accepted[m.id] = struct{}{}
	e.note(ev)
}

// askedLocked takes one of the requests to send a message again, and reports whether there was one.
func (a *account) askedLocked(id string) bool {
	left, ok := a.asked[id]
	switch {
	case left > 1:
		a.asked[id]--
	case ok:
		delete(a.asked, id)
	}
	return ok
}

// staleListLocked compares the devices that a direct message was encrypted for with those
// that there are. A difference is booked, and the right list's hash returned.
func (e *Emulator) staleListLocked(m *routing) string {
	if m.target == nil || m.resend() {
		return ""
	}
	want := m.target.deviceJIDs(types.HiddenUserServer)
	if m.target != m.sender {
		want = append(want, m.sender.deviceJIDs(types.HiddenUserServer)...)
	}
	have := map[types.JID]bool{m.from: true}
	for _, p := range m.parts {
		have[e.lidLocked(p.to)] = true
	}
	var missed []string
	for _, j := range want {
		if !have[j] {
			missed = append(missed, j.String())
		}
		delete(have, j)
	}
	if len(missed) == 0 && len(have) == 0 {
		return ""
	}
	if len(missed) > 0 {
		e.note(Event{Kind: KindMissed, Number: m.sender.number, Peer: m.target.pn.String(), ID: m.id, Detail: strings.Join(missed, " ")})
	}
	return deviceHash(want)
}
