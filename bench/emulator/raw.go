package emulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

// RawStanza is a stanza to be sent to a client as it is, whatever the protocol says of it.
type RawStanza struct {
	// Number is the phone's whose linked devices get it; "*" is everybody.
	Number string `json:"number"`
	// Device is one of them, as a JID; empty is all.
	Device string  `json:"device,omitempty"`
	Node   RawNode `json:"node"`
	// Queue keeps it until the client answers it (a result or error of an iq, a receipt or an ack
	// of anything else, each by its id) and sends it again at each login until then. Without it,
	// it is sent once, to the devices that are connected.
	Queue bool `json:"queue,omitempty"`
}

// RawNode is a node as JSON holds it.
type RawNode struct {
	Tag string `json:"tag"`
	// Attrs are texts, whole numbers and booleans. A text that begins with "jid:" is sent as a JID;
	// "jid:s.whatsapp.net" is the server's.
	Attrs map[string]any `json:"attrs,omitempty"`
	// Content is a list of nodes, a text, or bytes as {"base64":"…"}.
	Content json.RawMessage `json:"content,omitempty"`
}

// StanzaSent says what became of a RawStanza: to how many devices it was sent now, and for how many
// it was queued.
type StanzaSent struct {
	Sent   int `json:"sent"`
	Queued int `json:"queued"`
}

// jidPrefix begins an attribute that is a JID.
const jidPrefix = "jid:"

// most is how many children or attributes a node can have on the wire, where 16 bits count both a
// list's entries and, for attributes, their names and values.
const (
	mostChildren = 1<<16 - 1
	mostAttrs    = 1<<14 - 1
)

// SendStanza sends a raw stanza to the linked devices of an account. ErrBadInput: it is no stanza;
// ErrConflict: nobody is there to take it.
func (e *Emulator) SendStanza(s RawStanza) (StanzaSent, error) {
	n, err := s.Node.node()
	if err != nil {
		return StanzaSent{}, fmt.Errorf("%w: node: %w", ErrBadInput, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	devices, err := e.devicesOfLocked(s.Number, s.Device)
	if err != nil {
		return StanzaSent{}, err
	}
	var out StanzaSent
	for _, d := range devices {
		switch {
		case s.Queue:
			out.Queued++
			q := &queued{node: n, raw: true}
			e.queueLocked(d, q)
			if q.sentOn != nil {
				out.Sent++
			}
		case d.conn != nil:
			out.Sent++
			e.sendLocked(d.conn, n)
		}
	}
	if out == (StanzaSent{}) {
		return out, fmt.Errorf("%w: no linked device of %s is connected: want one, or \"queue\":true", ErrConflict, s.Number)
	}
	e.note(Event{Kind: KindStanza, Number: s.Number, Device: s.Device, ID: text(&n, "id"), Detail: n.Tag})
	return out, nil
}

// DropStanzas takes back what SendStanza has queued for a number, or for everybody ("*"), and says
// how many that were. A stanza without an id is never answered: this is its only end.
func (e *Emulator) DropStanzas(number string) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	devices, err := e.devicesOfLocked(number, "")
	dropped := 0
	for _, d := range devices {
		before := len(d.queue)
		d.queue = slices.DeleteFunc(d.queue, func(q *queued) bool { return q.raw })
		dropped += before - len(d.queue)
	}
	return dropped, err
}

// devicesOfLocked is the linked devices of a number, or of everybody, or the one of that name.
func (e *Emulator) devicesOfLocked(number, name string) ([]*device, error) {
	var out []*device
	switch a := e.accounts[written(number)]; {
	case number == everyone:
		for _, number := range slices.Sorted(maps.Keys(e.accounts)) {
			out = append(out, e.accounts[number].sortedDevices()...)
		}
	case a != nil:
		out = a.sortedDevices()
	case number == "":
		return nil, fmt.Errorf("%w: number is missing: a phone's, or \"*\"", ErrBadInput)
	default:
		if err := checkNumber(number); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%w: phone %s", ErrNotFound, number)
	}
	if name == "" {
		return out, nil
	}
	for _, d := range out {
		if d.pn.String() == name || d.lid.String() == name {
			return []*device{d}, nil
		}
	}
	return nil, fmt.Errorf("%w: device %q of phone %s", ErrNotFound, name, number)
}

// node is the stanza that r stands for; an error says why it can stand for none.
func (r RawNode) node() (node, error) {
	n, err := r.read()
	if err != nil {
		return n, err
	}
	if _, err = waBinary.Marshal(n); err != nil {
		return n, fmt.Errorf("cannot be encoded: %w", err)
	}
	return n, nil
}

func (r RawNode) read() (node, error) {
	n := node{Tag: r.Tag}
	if r.Tag == "" {
		return n, fmt.Errorf("tag is missing")
	}
	if len(r.Attrs) > mostAttrs {
		return n, fmt.Errorf("<%s> has %d attributes, the most is %d", r.Tag, len(r.Attrs), mostAttrs)
	}
	if len(r.Attrs) > 0 {
		n.Attrs = make(attrs, len(r.Attrs))
	}
	for name, value := range r.Attrs {
		v, err := rawAttr(value)
		if err != nil {
			return n, fmt.Errorf("attribute %q of <%s>: %w", name, r.Tag, err)
		}
		n.Attrs[name] = v
	}
	var err error
	if n.Content, err = rawContent(r.Content); err != nil {
		return n, fmt.Errorf("content of <%s>: %w", r.Tag, err)
	}
	return n, nil
}

func rawAttr(value any) (any, error) {
	switch v := value.(type) {
	case bool:
		return v, nil
	case json.Number:
		if _, err := strconv.ParseInt(v.String(), 10, 64); err != nil {
			return nil, fmt.Errorf("%s is no whole number", v)
		}
		return v.String(), nil
	case float64: // of a caller in this process
		if v != float64(int64(v)) {
			return nil, fmt.Errorf("%v is no whole number", v)
		}
		return int64(v), nil
	case int:
		return v, nil
	case string:
		name, isJID := strings.CutPrefix(v, jidPrefix)
		if !isJID {
			return v, nil
		}
		j, err := types.ParseJID(name)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", v, err)
		}
		if j.IsEmpty() {
			return nil, fmt.Errorf("%q is no JID", v)
		}
		return j, nil
	}
	return nil, fmt.Errorf("want a text, a whole number or a boolean, not %T", value)
}

func rawContent(raw json.RawMessage) (any, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	switch raw[0] {
	case '"':
		var content string
		err := json.Unmarshal(raw, &content)
		return []byte(content), err
	case '{':
		var content struct {
			Base64 *[]byte `json:"base64"`
		}
		if err := decodeStrictly(raw, &content); err != nil {
			return nil, err
		}
		if content.Base64 == nil {
			return nil, fmt.Errorf("an object without base64")
		}
		return *content.Base64, nil
	case '[':
		var list []RawNode
		if err := decodeStrictly(raw, &list); err != nil {
			return nil, err
		}
		if len(list) > mostChildren {
			return nil, fmt.Errorf("%d nodes, the most is %d", len(list), mostChildren)
		}
		children := make([]node, len(list))
		for i, r := range list {
			var err error
			if children[i], err = r.read(); err != nil {
				return nil, err
			}
		}
		return children, nil
	}
	return nil, fmt.Errorf(`want a list of nodes, a text or {"base64":…}, not %.20s`, raw)
}

// decodeStrictly reads JSON whose every field must be known: what is left out of a stanza by a typing
// error would be hard to find. Numbers keep their digits.
func decodeStrictly(raw []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	d.UseNumber()
	return d.Decode(into)
}

// UnmarshalJSON reads a node strictly.
func (r *RawNode) UnmarshalJSON(raw []byte) error {
	type plain RawNode // without this method
	return decodeStrictly(raw, (*plain)(r))
}
