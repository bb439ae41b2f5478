package emulator

import (
	"strconv"
	"time"

	"go.mau.fi/whatsmeow/types"
)

// iqError is the answer to a query that is refused.
type iqError struct {
	code    int
	text    string
	unknown bool // nothing here knows the query
}

var (
	errUnknownIQ = &iqError{code: 501, text: "feature-not-implemented", unknown: true}
	errNoItem    = &iqError{code: 404, text: "item-not-found"}
	errForbidden = &iqError{code: 403, text: "forbidden"}
)

func badRequest(err error) *iqError { return &iqError{code: 400, text: "bad-request: " + err.Error()} }

// answer is the stanza that refuses a query.
func (err *iqError) answer(n *node) node {
	return node{
		Tag:     "iq",
		Attrs:   attrs{"from": from(n), "type": "error", "id": text(n, "id")},
		Content: []node{{Tag: "error", Attrs: attrs{"code": err.code, "text": err.text}}},
	}
}

// isPing says whether a query is a client's keep-alive.
func isPing(n *node) bool {
	switch text(n, "xmlns") {
	case "w:p":
		return text(n, "type") != "set"
	case "urn:xmpp:ping":
		return true
	}
	return false
}

// isActive says whether a query is the client's word that it takes stanzas now.
func isActive(n *node) bool {
	_, active := child(n, "active")
	return active && text(n, "xmlns") == "passive" && text(n, "type") == "set"
}

// answer is the content of the result of a query.
func (e *Emulator) answer(c *conn, d *device, n *node) ([]node, *iqError) {
	set := text(n, "type") == "set"
	has := func(tag string) bool { _, ok := child(n, tag); return ok }
	switch space := text(n, "xmlns"); {
	case isPing(n):
		return nil, nil
	case space == "passive" && set && (has("active") || has("passive")):
		if has("active") {
			e.mu.Lock()
			e.activeLocked(c)
			e.mu.Unlock()
			e.introduce(c)
		}
		return nil, nil
	case space == "encrypt":
		return e.answerEncrypt(d, n, set)
	case space == "usync" && !set && has("usync"):
		usync, _ := child(n, "usync")
		return e.answerUsync(d, usync)
	case space == "privacy" && set && has("tokens"):
		return nil, nil
	case space == "privacy" && !set && has("privacy"):
		return privacySettings(), nil
	case space == "w:sync:app:state" && has("sync"):
		sync, _ := child(n, "sync")
		e.mu.Lock()
		defer e.mu.Unlock()
		return d.account.answerAppStateLocked(sync), nil
	case space == "w:g2":
		return e.answerGroup(d, n, set)
	case space == "w:m" && has("media_conn"):
		// Media is not emulated: the host resolves nowhere.
		return []node{{Tag: "media_conn", Attrs: attrs{"auth": "emulator", "ttl": 3600, "auth_ttl": 21600, "max_buckets": 12},
			Content: []node{{Tag: "host", Attrs: attrs{"hostname": "mmg.emulator.invalid"}}}}}, nil
	case space == "md" && set && has("remove-companion-device"):
		gone, _ := child(n, "remove-companion-device")
		if target := jid(gone, "jid"); target != d.pn && target != d.lid {
			return nil, errForbidden // a companion can only remove itself
		}
		return nil, nil
	case space == "abt" && !set && has("props"):
		return []node{{Tag: "props", Attrs: attrs{"protocol": 1, "ab_key": "emulator", "hash": "emu1", "refresh": 86400, "refresh_id": 1},
			Content: []node{{Tag: "prop", Attrs: attrs{"config_code": 1, "config_value": "1"}}}}}, nil
	case space == "w" && !set && has("props"):
		return []node{{Tag: "props", Attrs: attrs{"hash": "emu1"},
			Content: []node{{Tag: "prop", Attrs: attrs{"name": "web_emulator", "value": "1"}}}}}, nil
	case space == "blocklist" && !set:
		return []node{{Tag: "list", Attrs: attrs{"dhash": "emu1"}}}, nil
	case space == "urn:xmpp:whatsapp:dirty" && set && has("clean"), space == "w:stats" && set:
		return nil, nil
	case space == "w:profile:picture" && !set:
		return nil, errNoItem // nobody has one
	}
	return nil, errUnknownIQ
}

// answerEncrypt is the key server.
func (e *Emulator) answerEncrypt(d *device, n *node, set bool) ([]node, *iqError) {
	has := func(tag string) bool { _, ok := child(n, tag); return ok }
	if !set && has("key") {
		key, _ := child(n, "key")
		return e.bundles(d, key), nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case !set && has("count"):
		count := len(d.keys.oneTime)
		if e.options.FewPrekeys && count == 0 && !d.fewKeys {
			d.fewKeys = true
			count = minOneTime
		}
		return []node{{Tag: "count", Attrs: attrs{"value": count}}}, nil
	case !set && has("digest"):
		if len(d.keys.oneTime) == 0 {
			return nil, errNoItem // the client uploads
		}
		return []node{d.keys.digest()}, nil
	case set && has("registration"):
		if err := d.keys.upload(n); err != nil {
			e.note(Event{Kind: KindClientError, Number: d.account.number, Device: d.pn.String(), Detail: "key upload: " + err.Error()})
			return nil, badRequest(err)
		}
		d.askedToFill = false
		e.note(Event{Kind: KindKeys, Number: d.account.number, Device: d.pn.String(), Detail: strconv.Itoa(len(d.keys.oneTime)) + " one-time keys"})
		return nil, nil
	case set && has("rotate"):
		rotate, _ := child(n, "rotate")
		skey, _ := child(rotate, "skey")
		if skey == nil {
			return nil, &iqError{code: 400, text: "bad-request: no skey"}
		}
		signed, err := newSignedKey(d.keys.identity, childBytes(skey, "id"), childBytes(skey, "value"), childBytes(skey, "signature"))
		if err != nil {
			return nil, badRequest(err)
		}
		d.keys.signed = signed
		return nil, nil
	}
	return nil, errUnknownIQ
}

// minOneTime is how many one-time keys a device is asked to keep on the server (whatsmeow:
// MinPreKeyCount).
const minOneTime = 5

// bundles answers a request for the keys of several devices.
func (e *Emulator) bundles(asker *device, request *node) []node {
	var users []node
	for _, u := range request.GetChildren() {
		j := jid(&u, "jid")
		if u.Tag != "user" || j.IsEmpty() {
			continue
		}
		users = append(users, e.bundle(j))
	}
	return []node{{Tag: "list", Content: users}}
}

// bundle is one device's keys, with a one-time key if it has one left.
func (e *Emulator) bundle(j types.JID) node {
	e.mu.Lock()
	a, d := e.accountLocked(j), e.deviceLocked(j)
	if d != nil {
		defer e.mu.Unlock()
		return node{Tag: "user", Attrs: attrs{"jid": j}, Content: e.takeKeysLocked(d)}
	}
	e.mu.Unlock()
	if a != nil && j.Device == 0 {
		return node{Tag: "user", Attrs: attrs{"jid": j}, Content: a.phone.bundle()}
	}
	return node{Tag: "user", Attrs: attrs{"jid": j}, Content: []node{{Tag: "error", Attrs: attrs{"code": 404, "text": "item-not-found"}}}}
}

func (e *Emulator) takeKeysLocked(d *device) []node {
	content := d.keys.lasting()
	if key, ok := d.keys.take(); ok {
		content = append(content, key.node())
	}
	if d.identity != nil {
		content = append(content, node{Tag: "device-identity", Content: d.identity})
	}
	if left := len(d.keys.oneTime); left < minOneTime && !d.askedToFill {
		d.askedToFill = true
		e.deliverLocked(d, node{
			Tag:     "notification",
			Attrs:   attrs{"from": types.ServerJID, "type": "encrypt", "id": e.nextIDLocked("keys"), "t": time.Now().Unix()},
			Content: []node{{Tag: "count", Attrs: attrs{"value": left}}},
		})
	}
	return content
}

// privacySettings answers with everything visible: without readreceipts=all clients send
// read-self instead of read.
func privacySettings() []node {
	var categories []node
	for _, c := range [][2]string{{"readreceipts", "all"}, {"last", "all"}, {"status", "contacts"}, {"profile", "all"},
		{"groupadd", "all"}, {"calladd", "all"}, {"online", "all"}} {
		categories = append(categories, node{Tag: "category", Attrs: attrs{"name": c[0], "value": c[1]}})
	}
	return []node{{Tag: "privacy", Content: categories}}
}
