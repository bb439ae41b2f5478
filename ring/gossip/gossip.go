// Package gossip knows which nodes are alive: hashicorp/memberlist, turned into snapshots. It
// is a hint for placement, never a proof; ownership is decided in etcd.
package gossip

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
)

// rejoin is how often the seeds are joined again: the sides of a split of over 30 s never
// meet by themselves (memberlist forgets its dead).
const rejoin = 10 * time.Second

// Member is a node that is alive as far as gossip knows.
type Member struct {
	Name    string
	Address string // of its gossip, host:port
}

// Gossip takes part in the gossip of the cluster until Close.
type Gossip struct {
	list  *memberlist.Memberlist
	cfg   Config
	ring  *memberlist.Keyring // nil: not encrypted
	log   *slog.Logger
	alive atomic.Pointer[[]Member] // sorted by name; replaced, never changed
	clash atomic.Pointer[clash]

	mu      sync.Mutex // guards members and changed; memberlist's lock is held around callbacks, so a leaf
	members map[string]Member
	others  map[string]clash // other addresses of nodes, by name, that the log was told of
	changed chan struct{}

	nudge chan struct{} // capacity 1: the seeds have changed
	stop  chan struct{}
	once  sync.Once
	loop  sync.WaitGroup
}

// Start begins to gossip. It does not wait for others: they are joined in the background.
func Start(cfg Config) (*Gossip, error) {
	g := &Gossip{
		cfg: cfg, log: cfg.Log, members: make(map[string]Member),
		changed: make(chan struct{}), nudge: make(chan struct{}, 1), stop: make(chan struct{}),
	}
	g.alive.Store(&[]Member{})
	mc, err := cfg.memberlist()
	if err != nil {
		return nil, err
	}
	mc.Events, mc.Conflict = g, g
	g.ring = mc.Keyring
	g.list, err = memberlist.Create(mc)
	if err != nil {
		return nil, fmt.Errorf("gossip on %s: %w", cfg.Bind, err)
	}
	g.loop.Go(g.keepJoined)
	return g, nil
}

// keepJoined joins the seeds that are not alive here, again and again.
func (g *Gossip) keepJoined() {
	refused := make(map[string]bool) // of seeds that the log was told of, since they last joined
	ticker := time.NewTicker(rejoin)
	defer ticker.Stop()
	for {
		g.join(refused)
		select {
		case <-g.stop:
			return
		case <-g.nudge:
		case <-ticker.C:
		}
	}
}

// Nudge says that the seeds have changed: they are joined soon rather than at the next turn.
func (g *Gossip) Nudge() {
	select {
	case g.nudge <- struct{}{}:
	default:
	}
}

// join joins one seed after the other, so that Close waits for one at most.
func (g *Gossip) join(refused map[string]bool) {
	known := make(map[string]bool)
	for _, m := range g.Alive() {
		known[m.Address] = true
	}
	for _, seed := range g.cfg.Seeds() {
		select {
		case <-g.stop:
			return
		default:
		}
		if known[seed] {
			delete(refused, seed)
			continue
		}
		if _, err := g.list.Join([]string{seed}); err != nil && !refused[seed] {
			refused[seed] = true
			g.log.Warn("a node could not be joined, trying again", "address", seed, "err", oneLine(err.Error()))
		}
	}
}

// Use makes these the secrets of a gossip that was started with some. The first encrypts from now on.
func (g *Gossip) Use(secrets [][]byte) error {
	ring := g.ring
	if ring == nil || len(secrets) == 0 {
		return errors.New("gossip: whether it is encrypted is settled at its start")
	}
	for _, secret := range secrets {
		if err := ring.AddKey(secret); err != nil {
			return fmt.Errorf("gossip: %w", err)
		}
	}
	if err := ring.UseKey(secrets[0]); err != nil {
		return fmt.Errorf("gossip: %w", err)
	}
	for _, old := range ring.GetKeys() {
		if !slices.ContainsFunc(secrets, func(s []byte) bool { return bytes.Equal(s, old) }) {
			if err := ring.RemoveKey(old); err != nil {
				return fmt.Errorf("gossip: %w", err)
			}
		}
	}
	return nil
}

// Alive are the nodes that gossip knows to be alive, this one included, sorted by name. The
// slice is shared: do not change it.
func (g *Gossip) Alive() []Member { return *g.alive.Load() }

// Changed is closed at the next change of Alive. Take it before calling Alive.
func (g *Gossip) Changed() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.changed
}

// Addr is the address that others dial.
func (g *Gossip) Addr() string { return g.list.LocalNode().Address() }

// Leave tells the others that this node goes, and waits for that to spread, timeout at most.
func (g *Gossip) Leave(timeout time.Duration) error {
	if g.list.NumMembers() == 1 {
		return nil
	}
	return g.list.Leave(timeout)
}

// Close ends the gossip; the others notice it as they notice a crash, unless Leave came
// first. It waits 2 s at most, for a seed that is being joined. A probe of memberlist's that is
// under way ends within 2 s of its own; memberlist lets nobody wait for it.
func (g *Gossip) Close() error {
	g.once.Do(func() { close(g.stop) })
	g.loop.Wait()
	return g.list.Shutdown()
}

// NotifyJoin implements memberlist.EventDelegate. The lock of the list is held: copy, signal, return.
func (g *Gossip) NotifyJoin(n *memberlist.Node) { g.update(n, true) }

// NotifyUpdate implements memberlist.EventDelegate.
func (g *Gossip) NotifyUpdate(n *memberlist.Node) { g.update(n, true) }

// NotifyLeave implements memberlist.EventDelegate.
func (g *Gossip) NotifyLeave(n *memberlist.Node) { g.update(n, false) }

func (g *Gossip) update(n *memberlist.Node, alive bool) {
	m := Member{Name: n.Name, Address: n.Address()}
	g.mu.Lock()
	defer g.mu.Unlock()
	if alive {
		g.members[m.Name] = m
	} else {
		delete(g.members, m.Name)
		g.Nudge() // it may have begun another life at another address, which was refused while this one counted as alive
	}
	snapshot := make([]Member, 0, len(g.members))
	for _, m := range g.members {
		snapshot = append(snapshot, m)
	}
	slices.SortFunc(snapshot, func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
	g.alive.Store(&snapshot)
	close(g.changed)
	g.changed = make(chan struct{})
}
