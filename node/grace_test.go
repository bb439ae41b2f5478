package node

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"session-manager/node/etcd"
	"session-manager/node/ownership"
	"session-manager/ring/gossip"
)

// fakeWorld is what grace looks at: etcd's view, gossip, the witness and the store.
type fakeWorld struct {
	former  etcd.Former
	members map[string]etcd.Member
	alive   []gossip.Member
	ended   bool
	riders  map[string]bool
	err     error
}

func (f *fakeWorld) Former(c ownership.Cliente) (etcd.Former, bool) { return f.former, c == 5 }
func (f *fakeWorld) AnyFormer() bool                                { return f.former.Gone != time.Time{} }
func (f *fakeWorld) Member(name string) (etcd.Member, bool)         { m, ok := f.members[name]; return m, ok }
func (f *fakeWorld) Alive() []gossip.Member                         { return f.alive }
func (f *fakeWorld) SawEnd(string) bool                             { return f.ended }
func (f *fakeWorld) Riders(context.Context, time.Duration) (map[string]bool, error) {
	return f.riders, f.err
}

// Rule 7: whom one waits for, and for how long.
func TestGrace(t *testing.T) {
	timing := ownership.DefaultTiming()
	for name, c := range map[string]struct {
		change func(f *fakeWorld)
		binds  bool
	}{
		"its lease ended a moment ago": {func(*fakeWorld) {}, true},
		"it is dead to gossip":         {func(f *fakeWorld) { f.alive = nil }, false},
		"its process was seen to end":  {func(f *fakeWorld) { f.ended = true }, false},
		"it has a lease again": {func(f *fakeWorld) {
			f.members["n2"] = etcd.Member{Name: "n2", Incarnation: "i2"}
		}, true},
		"its node runs another process": {func(f *fakeWorld) {
			f.members["n2"] = etcd.Member{Name: "n2", Incarnation: "i3"}
		}, false},
		"longer ago":                    {func(f *fakeWorld) { f.former.Gone = f.former.Gone.Add(-timing.Grace) }, false},
		"longer ago, with a fresh note": {func(f *fakeWorld) { f.former.Gone = f.former.Gone.Add(-timing.Grace); f.riders["i2"] = true }, true},
		"longer ago, and the store does not answer": {func(f *fakeWorld) {
			f.former.Gone, f.riders["i2"], f.err = f.former.Gone.Add(-timing.Grace), true, errGone
		}, false},
		"it is this node":       {func(f *fakeWorld) { f.former.Member.Name = "n1" }, false},
		"its record is unknown": {func(f *fakeWorld) { f.former.Member = etcd.Member{} }, false},
	} {
		last := etcd.Member{Name: "n2", Incarnation: "i2", Address: "there"}
		f := &fakeWorld{
			former:  etcd.Former{Owner: etcd.Owner{Process: ownership.Process{Node: "n2", Incarnation: "i2"}}, Member: last, Gone: time.Now()},
			members: make(map[string]etcd.Member), alive: []gossip.Member{{Name: "n1"}, {Name: "n2"}}, riders: make(map[string]bool),
		}
		c.change(f)
		g := &grace{node: "n1", timing: timing, gossip: f, records: f, witness: f, store: f, log: slog.New(slog.DiscardHandler)}
		if !g.Look(context.Background()) {
			t.Errorf("%s: nobody to look for", name)
		}
		m, binds := g.Binds(5)
		if binds != c.binds || binds && m != last {
			t.Errorf("%s: binds %v to %+v, want %v", name, binds, m, c.binds)
		}
		if _, binds := g.Binds(6); binds {
			t.Errorf("%s: binds a cliente that nobody owned", name)
		}
	}
	if (&grace{records: &fakeWorld{}}).Look(context.Background()) {
		t.Error("looks for nobody")
	}
}
