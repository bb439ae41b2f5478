package etcd

import (
	"context"
	"slices"
	"testing"

	"session-manager/node/ownership"
)

func TestViewFollows(t *testing.T) {
	c := server(t)
	ctx := deadline(t)
	lease := grant(t, c)
	member := Member{Name: "n1", Incarnation: "i1", Lease: lease, State: "ready"}
	if err := c.PutMember(ctx, member); err != nil {
		t.Fatal(err)
	}
	watch, stop := context.WithCancel(ctx)
	defer stop()
	v, err := c.Watch(watch)
	if err != nil {
		t.Fatal(err)
	}
	if m, ok := v.Member("n1"); !ok || m != member {
		t.Errorf("what stood before: %+v, %v", m, ok)
	}
	if e := next(t, v); e.Kind != MemberSet {
		t.Errorf("%+v", e)
	}
	revision, err := c.CreateOwner(ctx, 5, lease, me)
	if err != nil {
		t.Fatal(err)
	}
	owner := Owner{Process: me, Lease: lease, Revision: revision}
	if e := next(t, v); e.Kind != OwnerSet || e.Cliente != 5 || e.Owner != owner {
		t.Errorf("%+v", e)
	}
	if o, ok := v.Owner(5); !ok || o != owner {
		t.Errorf("%+v, %v", o, ok)
	}
	if err := c.DeleteOwner(ctx, 5, revision); err != nil {
		t.Fatal(err)
	}
	if e := next(t, v); e.Kind != OwnerGone || e.Owner != owner || e.WithMember {
		t.Errorf("a planned release: %+v", e)
	}
	if _, err := c.CreateOwner(ctx, 6, lease, me); err != nil {
		t.Fatal(err)
	}
	next(t, v)
	if err := c.Revoke(ctx, lease); err != nil {
		t.Fatal(err)
	}
	kinds := map[Kind]bool{}
	for range 2 {
		e := next(t, v)
		kinds[e.Kind] = true
		if e.Kind == OwnerGone && !e.WithMember {
			t.Error("the owner went with its node, and the event does not say so")
		}
	}
	if !kinds[OwnerGone] || !kinds[MemberGone] || len(v.Owners())+len(v.Members()) != 0 {
		t.Errorf("after the lease: %v, %v, %v", kinds, v.Owners(), v.Members())
	}
}

func TestChangedWakesOnceForEachLook(t *testing.T) {
	c := server(t)
	ctx := deadline(t)
	lease := grantLong(t, c)
	v := watch(t, c)
	for cliente := ownership.Cliente(1); cliente <= 3; cliente++ {
		changed := v.Changed() // taken before looking: nothing that happens after is missed
		if _, ok := v.Owner(cliente); ok {
			t.Fatalf("%d has an owner already", cliente)
		}
		if _, err := c.CreateOwner(ctx, cliente, lease, me); err != nil {
			t.Fatal(err)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatal("nobody was woken")
		}
		if _, ok := v.Owner(cliente); !ok {
			t.Errorf("woken before %d was there", cliente)
		}
	}
}

func TestMembersAreSorted(t *testing.T) {
	c := server(t)
	for _, name := range []string{"n10", "n2", "n1"} {
		if err := c.PutMember(deadline(t), Member{Name: name, Incarnation: "i", Lease: grantLong(t, c)}); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	for _, m := range watch(t, c).Members() {
		names = append(names, m.Name)
	}
	if want := []string{"n1", "n10", "n2"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
}

// What cannot be read is left out, before and during the watch, and does not end it.
func TestUnreadableKeys(t *testing.T) {
	c := server(t)
	ctx := deadline(t)
	broken := func(keys ...string) {
		for _, key := range keys {
			if _, err := c.kv.Put(ctx, c.prefix+key, "not JSON"); err != nil {
				t.Fatal(err)
			}
		}
	}
	broken("nodes/n1", "owners/1", "owners/zero", "owners/0", "other")
	v := watch(t, c)
	broken("nodes/n2", "owners/2", "owners/", "nodes/", "cluster")
	if _, err := c.kv.Delete(ctx, c.prefix+"owners/1"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateOwner(ctx, 3, grantLong(t, c), me); err != nil {
		t.Fatal(err)
	}
	if ev := next(t, v); ev.Kind != OwnerSet || ev.Cliente != 3 {
		t.Errorf("%+v", ev)
	}
	if len(v.Owners()) != 1 || len(v.Members()) != 0 {
		t.Errorf("%v, %v", v.Owners(), v.Members())
	}
	if _, _, err := c.Member(ctx, "n1"); err == nil {
		t.Error("an unreadable node key is read")
	}
	if _, _, err := c.Owner(ctx, 2); err == nil {
		t.Error("an unreadable ownership key is read")
	}
	if _, _, err := c.Cluster(ctx); err == nil {
		t.Error("an unreadable cluster record is read")
	}
}

// Compaction and a server that was away do not break a view.
func TestViewSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	e, err := StartEmbedded(context.Background(), EmbeddedConfig{Dir: dir, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	relay := newRelay(t, e.Endpoint())
	c := client(t, relay.address())
	ctx := deadline(t)
	watch, stop := context.WithCancel(ctx)
	defer stop()
	v, err := c.Watch(watch)
	if err != nil {
		t.Fatal(err)
	}
	direct := client(t, e.Endpoint())
	relay.cut()
	lease := grant(t, direct)
	for i := range 10 {
		if _, err := direct.CreateOwner(ctx, ownership.Cliente(i+1), lease, me); err != nil {
			t.Fatal(err)
		}
	}
	_, revision, err := direct.Cluster(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := direct.kv.Compact(ctx, revision); err != nil {
		t.Fatal(err)
	}
	e.Close()
	e, err = StartEmbedded(context.Background(), EmbeddedConfig{Dir: dir, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		relay.cut() // the server need not wait for the watch
		e.Close()
	}()
	relay.to(e.Endpoint())
	for seen := 0; seen < 10; {
		if ev := next(t, v); ev.Kind == OwnerSet {
			seen++
		}
	}
}
