package node

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"session-manager/node/etcd"
	"session-manager/node/ownership"
	"session-manager/ring/gossip"
)

// fakeMembers is a cluster in which nobody owns anything, as gossip and etcd's view tell it.
type fakeMembers struct {
	records
	states map[string]string // by node
}

func (f *fakeMembers) Alive() (alive []gossip.Member) {
	for name := range f.states {
		alive = append(alive, gossip.Member{Name: name})
	}
	return alive
}

func (f *fakeMembers) Members() (members []etcd.Member) {
	for name, state := range f.states {
		members = append(members, etcd.Member{Name: name, State: state, Address: "at " + name})
	}
	return members
}

func (f *fakeMembers) Member(name string) (etcd.Member, bool) {
	state, ok := f.states[name]
	return etcd.Member{Name: name, State: state, Address: "at " + name}, ok
}

func (f *fakeMembers) Owner(ownership.Cliente) (etcd.Owner, bool)   { return etcd.Owner{}, false }
func (f *fakeMembers) Target(ownership.Cliente) (string, bool)      { return "", false }
func (f *fakeMembers) Former(ownership.Cliente) (etcd.Former, bool) { return etcd.Former{}, false }
func (f *fakeMembers) Changed() <-chan struct{}                     { return nil }
func (f *fakeMembers) Nudge()                                       {}
func (f *fakeMembers) AnyFormer() bool                              { return false }

// withDirectory is n1, whose directory believes in the given nodes.
func withDirectory(t *testing.T, states map[string]string, test func(t *testing.T, l *leaserTest, d *directory)) {
	withLeaser(t, func(t *testing.T, l *leaserTest) {
		f := &fakeMembers{states: states}
		test(t, l, &directory{
			node: "n1", keeper: l.keeper, placement: newPlacement(f, f, f, func(string) {}, l.keeper.changed), records: f,
			grace: &grace{records: f}, trouble: l.Trouble, changed: l.keeper.changed,
		})
	})
}

func (l *leaserTest) cutEtcd(cut bool) {
	l.etcd.setCut(cut)
	l.keys.setCut(cut)
}

// wantVain checks that waiting is in vain for that reason; "": that it is not.
func (d *directory) wantVain(t *testing.T, when, reason string) {
	t.Helper()
	switch err := d.InVain(); {
	case reason == "" && err != nil:
		t.Errorf("%s: in vain: %v", when, err)
	case reason != "" && (err == nil || !strings.Contains(err.Error(), reason)):
		t.Errorf("%s: %v, want %q", when, err, reason)
	}
}

// A node that nobody vouches for keeps its callers no longer than a failover takes, says why, and
// meanwhile asks the others.
func TestNodeWithoutALease(t *testing.T) {
	withDirectory(t, map[string]string{"n1": stateReady, "n2": stateReady}, func(t *testing.T, l *leaserTest, d *directory) {
		c := ownership.Cliente(1)
		for at := d.Locate(c); !at.PlacementMine; at = d.Locate(c) {
			c++
		}
		l.cutEtcd(true)
		begun := time.Now()
		if _, _, err := d.Session(context.Background(), c); !errors.Is(err, ownership.ErrNotOwner) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(begun); took > l.timing.Failover() {
			t.Errorf("waited %v", took)
		}
		if l.keeper.Lease() != nil {
			t.Fatal("there is a lease")
		}
		d.wantVain(t, "a lease that was just lost", "")
		if at := d.Locate(c); at.PlacementMine || at.Placement != "n2" || at.PlacementAddress != "at n2" {
			t.Errorf("placed at %+v", at)
		}
		time.Sleep(l.timing.Failover() - time.Since(begun))
		d.wantVain(t, "after the time of a failover", "no lease: ask etcd for a lease")
		l.cutEtcd(false)
		time.Sleep(2 * l.timing.Renew)
		d.wantVain(t, "back in touch", "")
		if at := d.Locate(c); !at.PlacementMine {
			t.Errorf("placed at %+v", at)
		}
	})
}

// An outage of etcd: what runs goes on, and what nobody owns is not waited for.
func TestMovesWaitWhileTheStoreVouches(t *testing.T) {
	withDirectory(t, map[string]string{"n1": stateReady}, func(t *testing.T, l *leaserTest, d *directory) {
		l.store.with(func() { l.store.cut = false })
		five := l.own(t, 5)
		l.cutEtcd(true)
		begun := time.Now()
		if _, _, err := d.Session(context.Background(), 7); !errors.Is(err, errSilent) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(begun); took < l.timing.Failover()-l.timing.Renew || took > l.timing.Failover()+l.timing.Poll {
			t.Errorf("waited %v", took)
		}
		begun = time.Now()
		if _, _, err := d.Session(context.Background(), 7); !errors.Is(err, errSilent) || time.Since(begun) > 0 {
			t.Errorf("the next one: %v after %v", err, time.Since(begun))
		}
		d.wantVain(t, "riding", "etcd does not vouch for this node")
		d.wantVain(t, "riding", context.DeadlineExceeded.Error())
		if at := d.Locate(8); at.PlacementMine || at.Placement != "" {
			t.Errorf("a cliente that nobody owns: %+v", at)
		}
		if _, _, err := d.Session(context.Background(), 5); err != nil || !five.runs() || !d.Locate(5).Mine {
			t.Errorf("what it has: %v, runs %v, %+v", err, five.runs(), d.Locate(5))
		}
		l.cutEtcd(false)
		time.Sleep(2 * l.timing.Renew)
		if _, _, err := d.Session(context.Background(), 7); err != nil || d.InVain() != nil {
			t.Errorf("when etcd is back: %v, in vain %v", err, d.InVain())
		}
	})
}

// A session that ended since another node has taken its cliente: its key cannot be deleted, but
// callers need not wait for that.
func TestTakenOverWhileEtcdIsSilent(t *testing.T) {
	withDirectory(t, map[string]string{"n1": stateReady, "n2": stateReady}, func(t *testing.T, l *leaserTest, d *directory) {
		l.store.with(func() { l.store.cut = false })
		five := l.own(t, 5)
		l.cutEtcd(true)
		time.Sleep(l.timing.TTL)
		l.store.with(func() { delete(l.store.standing, 5) })
		<-five.done
		synctest.Wait()
		if at := d.Locate(5); !l.keeper.Kept(5) || at.Mine || at.Owner != "" || at.PlacementMine || at.Placement != "n2" {
			t.Errorf("kept %v, %+v", l.keeper.Kept(5), at)
		}
		l.cutEtcd(false)
		time.Sleep(2 * l.timing.Renew)
		if l.keeper.Kept(5) || l.keys.stands(5) {
			t.Error("the key was not deleted")
		}
	})
}

func TestNobodyTakes(t *testing.T) {
	withDirectory(t, map[string]string{"n1": stateResting, "n2": stateDrained}, func(t *testing.T, l *leaserTest, d *directory) {
		d.wantVain(t, "at once", "")
		time.Sleep(l.timing.Failover())
		d.wantVain(t, "after the time of a failover", errNoTaker.Error())
		l.keeper.Refuse(errFlapping)
		d.wantVain(t, "where this node knows more", errFlapping.Error())
		d.records.(*fakeMembers).states["n2"] = stateReady
		d.placement.rebuild()
		d.wantVain(t, "one takes", "")
	})
}

// Before there are parts, /readyz's reason is the callers', too.
func TestCallersOfANodeThatDoesNotStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := &reason{}
		why.Set(errGone)
		f := &front{reason: why, begun: time.Now(), limit: time.Second}
		if err := f.InVain(); err != nil {
			t.Errorf("at once: %v", err)
		}
		time.Sleep(time.Second)
		if err := f.InVain(); !errors.Is(err, errGone) {
			t.Errorf("got %v", err)
		}
	})
}
