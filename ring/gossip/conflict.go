package gossip

import (
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/memberlist"
)

// ErrNameConflict: another node gossips under this node's name from another address.
var ErrNameConflict = errors.New("another node uses this node's name")

// conflictLasts is how long a conflict counts after it was last heard of. Nodes of one name
// meet at least at every push and pull.
const conflictLasts = 30 * time.Second

// clash is a conflict over this node's own name.
type clash struct {
	address string // the other node's
	heard   time.Time
}

// Conflict wraps ErrNameConflict while another node uses this node's name, and says where
// that node is; else nil. It ends 30 s after the other was last heard of.
func (g *Gossip) Conflict() error {
	c := g.clash.Load()
	if c == nil || time.Since(c.heard) > conflictLasts {
		return nil
	}
	return fmt.Errorf("%w: it gossips from %s; give one of the two another --node-name", ErrNameConflict, c.address)
}

// NotifyConflict implements memberlist.ConflictDelegate. The lock of the list is held.
func (g *Gossip) NotifyConflict(existing, other *memberlist.Node) {
	if existing.Name != g.cfg.Name {
		// No error yet: a node that restarts on another port is one, until its past life is found dead.
		if g.isNews(existing.Name, other.Address()) {
			g.log.Warn("one node name, two addresses: it has just restarted there, or two nodes use the name",
				"node", existing.Name, "address", existing.Address(), "other", other.Address())
		}
		return
	}
	news := g.Conflict() == nil
	g.clash.Store(&clash{address: other.Address(), heard: time.Now()})
	if news {
		g.log.Error("another node uses this node's name: give one of the two another --node-name",
			"node", existing.Name, "address", existing.Address(), "other", other.Address())
	}
}

// isNews says whether the log has not been told of a node's other address for a while. Each message of the one
// meets the other, many times a second.
func (g *Gossip) isNews(name, address string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	last, told := g.others[name]
	if told && last.address == address && time.Since(last.heard) < conflictLasts {
		return false
	}
	if g.others == nil {
		g.others = make(map[string]clash)
	}
	g.others[name] = clash{address: address, heard: time.Now()}
	return true
}
