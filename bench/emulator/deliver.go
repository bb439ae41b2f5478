package emulator

import (
	"time"

	"go.mau.fi/whatsmeow/types"
)

// copyFor is the stanza that one device gets.
func (m *routing) copyFor(e *Emulator, p part) node {
	a := attrs{"from": m.from, "id": m.id, "t": time.Now().Unix(), "type": orText(text(m.node, "type"), "text"), "notify": m.sender.name}
	if edit := text(m.node, "edit"); edit != "" {
		a["edit"] = edit
	}
	switch {
	case m.group != nil:
		a["from"], a["participant"], a["participant_pn"], a["addressing_mode"] = m.group.jid, m.from, m.sender.pn, "lid"
	case e.accountLocked(p.to) == m.sender:
		if text(m.node, "category") == "peer" {
			a["category"], a["type"] = "peer", "peer_msg"
			break
		}
		chat := m.target
		if r := e.accountLocked(jid(m.node, "recipient")); r != nil {
			chat = r // a resend to an own device names its chat
		}
		if chat != nil {
			a["recipient"], a["peer_recipient_pn"], a["addressing_mode"] = chat.lid, chat.pn, "lid"
		}
	default:
		a["sender_pn"], a["addressing_mode"] = m.sender.pn, "lid"
	}
	return node{Tag: "message", Attrs: a, Content: m.content(p.enc)}
}

// content is what a device gets of a message: its ciphertexts, the sender's identity where one of
// them begins a session, and what else stands beside them, such as <meta> and <reporting>.
func (m *routing) content(ciphertexts ...*node) []node {
	var out []node
	begins := false
	for _, enc := range ciphertexts {
		if enc != nil {
			out = append(out, *enc)
			begins = begins || text(enc, "type") == "pkmsg"
		}
	}
	if len(out) == 0 {
		return nil
	}
	for _, beside := range m.node.GetChildren() {
		switch beside.Tag {
		case "enc", "participants":
			continue // a share for each device
		case "tctoken", "cstoken":
			continue // shown to the server
		case "device-identity":
			if !begins {
				continue
			}
		}
		out = append(out, beside)
	}
	return out
}

// handOverLocked gives a stanza to a device of either kind. Who is not there (any more) gets
// nothing.
func (e *Emulator) handOverLocked(to types.JID, n node) {
	if d := e.deviceLocked(to); d != nil {
		e.deliverLocked(d, n)
		return
	}
	if a := e.accountLocked(to); a != nil && to.Device == 0 {
		a.phone.deliver(n)
	}
}

func orText(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
