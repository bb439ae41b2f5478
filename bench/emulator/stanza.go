package emulator

import (
	"fmt"
	"maps"
	"strconv"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

type (
	node  = waBinary.Node
	attrs = waBinary.Attrs
)

// text returns an attribute as it would be on the wire, or "" where it is absent or a JID.
func text(n *node, key string) string {
	switch v := n.Attrs[key].(type) {
	case string:
		return v
	case nil, types.JID:
		return ""
	default:
		return fmt.Sprint(v) // a stanza of a phone, which was never on a wire
	}
}

// number returns an integer attribute, or 0: on the wire they are strings.
func number(n *node, key string) int {
	i, _ := strconv.Atoi(text(n, key))
	return i
}

// jid returns a JID attribute, or the empty JID.
func jid(n *node, key string) types.JID {
	j, _ := n.Attrs[key].(types.JID)
	return j
}

// child returns the first child of that tag. Unlike whatsmeow's GetChildByTag it does not
// return the parent where there is none.
func child(n *node, tag string) (*node, bool) {
	children := n.GetChildren()
	for i := range children {
		if children[i].Tag == tag {
			return &children[i], true
		}
	}
	return nil, false
}

// bytesOf is a node's content where it is bytes.
func bytesOf(n *node) []byte {
	if n == nil {
		return nil
	}
	switch content := n.Content.(type) {
	case []byte:
		return content
	case string:
		return []byte(content)
	}
	return nil
}

// childBytes is the content of the first child of that tag.
func childBytes(n *node, tag string) []byte {
	c, _ := child(n, tag)
	return bytesOf(c)
}

// with returns n with more attributes, leaving n's own map alone: a stanza may be queued for
// several connections.
func with(n node, more attrs) node {
	all := maps.Clone(n.Attrs)
	if all == nil {
		all = attrs{}
	}
	maps.Copy(all, more)
	n.Attrs = all
	return n
}

// sound reports whether a stanza can be encoded for any client: an empty JID kills other
// clients' decoders, and an attribute of another type than these panics in the encoder.
func sound(n *node) bool {
	for _, value := range n.Attrs {
		switch v := value.(type) {
		case types.JID:
			if v.IsEmpty() {
				return false
			}
		case string, int, int32, int64, uint, uint32, uint64, bool:
		default:
			return false
		}
	}
	switch content := n.Content.(type) {
	case nil, []byte:
		return true
	case []node:
		for i := range content {
			if !sound(&content[i]) {
				return false
			}
		}
		return true
	}
	return false
}
