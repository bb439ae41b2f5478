package node

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"session-manager/node/etcd"
	"session-manager/node/ownership"
	"session-manager/node/rarely"
	"session-manager/ring/gossip"
)

// grace is the time in which nobody takes over from a node that has lost its lease but is alive
// (rule 7): it rides on the store's word, and will have a new lease in a moment. Without it
// an outage of etcd would move most sessions for nothing, to whoever came back first.
//
// It binds who wants to acquire a cliente, and tells routers whom to ask meanwhile. A node that
// gives a cliente up on purpose deletes the key by itself, so a planned move waits for nothing.
type grace struct {
	node    string
	timing  ownership.Timing
	gossip  interface{ Alive() []gossip.Member }
	records formers
	witness interface{ SawEnd(incarnation string) bool }
	store   interface {
		Riders(ctx context.Context, fresh time.Duration) (map[string]bool, error)
	}
	log  *slog.Logger
	news rarely.Lines

	riders atomic.Pointer[map[string]bool] // whose notes were fresh at the last look
}

// formers is the view of etcd, as far as grace needs it.
type formers interface {
	Former(c ownership.Cliente) (etcd.Former, bool)
	AnyFormer() bool
	Member(name string) (etcd.Member, bool)
}

// Binds says whether the cliente's last owner must be waited for, and where it can be asked
// for the cliente meanwhile.
func (g *grace) Binds(c ownership.Cliente) (etcd.Member, bool) {
	f, ok := g.records.Former(c)
	last := f.Member
	if !ok || last.Name == g.node || last.Incarnation != f.Owner.Process.Incarnation {
		return etcd.Member{}, false
	}
	if time.Since(f.Gone) >= g.timing.Grace && !g.rides(last.Incarnation) {
		return etcd.Member{}, false
	}
	if !g.alive(last.Name) || g.witness.SawEnd(last.Incarnation) {
		return etcd.Member{}, false
	}
	if m, stands := g.records.Member(last.Name); stands && m.Incarnation != last.Incarnation {
		return etcd.Member{}, false // the node has begun another life
	}
	return last, true
}

func (g *grace) rides(incarnation string) bool {
	riders := g.riders.Load()
	return riders != nil && (*riders)[incarnation]
}

func (g *grace) alive(name string) bool {
	for _, m := range g.gossip.Alive() {
		if m.Name == name {
			return true
		}
	}
	return false
}

// Look asks the store who rides on its word, where anybody may be waited for, and says
// whether that is so.
func (g *grace) Look(ctx context.Context) bool {
	if !g.records.AnyFormer() {
		g.riders.Store(nil)
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, g.timing.PollTimeout)
	defer cancel()
	riders, err := g.store.Riders(ctx, g.timing.Vouch)
	if err != nil {
		g.news.Log(g.log, slog.LevelWarn, "the store does not say which nodes ride on its word", err)
		riders = nil // whom the store does not vouch for stops by itself
	}
	g.riders.Store(&riders)
	return true
}
