package emulator

import (
	"strings"
	"time"

	"go.mau.fi/whatsmeow/types"
)

// answerUsync answers a query about users: which devices they have, which LID, whether a
// number is on WhatsApp.
func (e *Emulator) answerUsync(d *device, usync *node) ([]node, *iqError) {
	query, _ := child(usync, "query")
	list, _ := child(usync, "list")
	if query == nil || list == nil {
		return nil, &iqError{code: 400, text: "bad-request: usync without query or list"}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	users := []node{}
	for _, u := range list.GetChildren() {
		if u.Tag != "user" {
			continue
		}
		if answer, ok := e.usyncUserLocked(d, query, &u); ok {
			users = append(users, answer)
		}
	}
	return []node{{Tag: "usync", Attrs: attrs{
		"sid": text(usync, "sid"), "mode": text(usync, "mode"), "last": "true", "index": "0", "context": text(usync, "context"),
	}, Content: []node{{Tag: "result", Content: results(query)}, {Tag: "list", Content: users}}}}, nil
}

func results(query *node) []node {
	var out []node
	for _, q := range query.GetChildren() {
		out = append(out, node{Tag: q.Tag})
	}
	return out
}

func (e *Emulator) usyncUserLocked(d *device, query, u *node) (node, bool) {
	asked := jid(u, "jid")
	contact, byContact := child(u, "contact")
	if byContact && asked.IsEmpty() {
		before, _, _ := strings.Cut(string(bytesOf(contact)), "@")
		asked = types.NewJID(before, types.DefaultUserServer)
	}
	if asked.Server == types.DefaultUserServer || asked.Server == types.LegacyUserServer {
		asked.User = digits(asked.User)
	}
	a := e.accountLocked(asked)
	if a == nil && byContact {
		if a = e.forms[asked.User]; a != nil {
			asked = a.pn // whoever looks a number up is told the form that it is known by
		}
	}
	if a == nil {
		if _, wanted := child(query, "contact"); wanted && asked.User != "" {
			return node{Tag: "user", Attrs: attrs{"jid": asked.ToNonAD()}, Content: []node{contactNode("out", contact)}}, true
		}
		return node{}, false // not on WhatsApp: absent
	}
	// Who asks for somebody's devices is told when they change.
	if a != d.account {
		a.contacts[d.account] = struct{}{}
	}
	byLID := asked.Server == types.HiddenUserServer
	out := node{Tag: "user", Attrs: attrs{"jid": asked.ToNonAD()}}
	var content []node
	for _, q := range query.GetChildren() {
		switch q.Tag {
		case "devices":
			content = append(content, a.devicesNodeLocked())
		case "lid":
			if !byLID { // a query by LID carries none
				content = append(content, node{Tag: "lid", Attrs: attrs{"val": a.lid}})
			}
		case "contact":
			content = append(content, contactNode("in", contact))
			if text(&q, "addressing_mode") == "lid" {
				out.Attrs = attrs{"jid": a.lid, "pn_jid": a.pn}
			}
		case "status":
			content = append(content, node{Tag: "status", Attrs: attrs{"t": time.Now().Unix()}, Content: []byte("")})
		case "picture", "business", "disappearing_mode", "username", "sidelist", "bot", "feature":
			// Nobody here has any.
		}
	}
	out.Content = content
	return out, true
}

func contactNode(kind string, asked *node) node {
	n := node{Tag: "contact", Attrs: attrs{"type": kind}}
	if b := bytesOf(asked); len(b) > 0 {
		n.Content = b
	}
	return n
}
