package emulator

import (
	"fmt"
	"strconv"
	"time"

	"go.mau.fi/whatsmeow/types"
)

// group is a group chat, addressed by LIDs. Guarded by Emulator.mu.
type group struct {
	jid     types.JID
	subject string
	created time.Time
	members []*account
}

func (g *group) has(a *account) bool {
	for _, m := range g.members {
		if m == a {
			return true
		}
	}
	return false
}

// admin says whether an account may delete others' messages: who made the group may.
func (g *group) admin(a *account) bool { return len(g.members) > 0 && g.members[0] == a }

// administers says whether an account is an admin of a group; of none nobody is.
func (e *Emulator) administers(a *account, g *group) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return g != nil && g.admin(a)
}

// AddGroup makes a group of accounts and returns its JID.
func (e *Emulator) AddGroup(subject string, numbers []string) (string, error) {
	if subject == "" || len(numbers) < 2 {
		return "", fmt.Errorf("%w: a group needs a subject and two numbers", ErrBadInput)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	g := &group{subject: subject, created: time.Now()}
	for _, number := range numbers {
		a, err := e.accountByNumberLocked(number)
		if err != nil {
			return "", err
		}
		if !g.has(a) {
			g.members = append(g.members, a)
		}
	}
	e.sequence++
	g.jid = types.NewJID(strconv.FormatUint(120363000000000000+e.sequence, 10), types.GroupServer)
	e.groups[g.jid.User] = g
	e.note(Event{Kind: KindGroup, Peer: g.jid.String()})
	return g.jid.String(), nil
}

// answerGroup answers queries about groups.
func (e *Emulator) answerGroup(d *device, n *node, set bool) ([]node, *iqError) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if set {
		return nil, errUnknownIQ
	}
	if _, ok := child(n, "participating"); ok {
		var mine []node
		for _, g := range e.groups {
			if g.has(d.account) {
				mine = append(mine, g.node())
			}
		}
		return []node{{Tag: "groups", Content: mine}}, nil
	}
	if _, ok := child(n, "query"); !ok {
		return nil, errUnknownIQ
	}
	g := e.groups[jid(n, "to").User]
	if g == nil {
		return nil, errNoItem
	}
	if !g.has(d.account) {
		return nil, errForbidden
	}
	return []node{g.node()}, nil
}

func (g *group) node() node {
	var members []node
	for i, m := range g.members {
		a := attrs{"jid": m.lid, "phone_number": m.pn}
		if i == 0 {
			a["type"] = "superadmin"
		}
		members = append(members, node{Tag: "participant", Attrs: a})
	}
	creator := g.members[0]
	return node{Tag: "group", Attrs: attrs{
		"id": g.jid.User, "subject": g.subject, "creation": g.created.Unix(), "addressing_mode": "lid",
		"creator": creator.lid, "creator_pn": creator.pn, "s_t": g.created.Unix(), "s_o": creator.lid,
	}, Content: members}
}

// fanOutGroupLocked gives every device of every member its own copy: the sender key, where
// the sender sent it one, and the message itself.
func (e *Emulator) fanOutGroupLocked(m *routing) {
	own := map[types.JID]*node{}
	for _, p := range m.parts {
		own[e.lidLocked(p.to)] = p.enc
	}
	for _, member := range m.group.members {
		for _, j := range member.deviceJIDs(types.HiddenUserServer) {
			if j == m.from {
				continue
			}
			content := m.content(own[j], m.direct)
			if len(content) == 0 {
				continue
			}
			n := m.copyFor(e, part{to: j})
			n.Content = content
			e.handOverLocked(j, n)
		}
	}
}
