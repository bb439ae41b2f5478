package etcd

import (
	"errors"
	"testing"
	"time"

	"session-manager/node/ownership"
)

func TestCluster(t *testing.T) {
	c := server(t)
	ctx := deadline(t)
	id, revision, err := c.Cluster(ctx)
	if err != nil || id != (ownership.Identity{}) || revision < 1 {
		t.Fatalf("empty: %+v %d %v", id, revision, err)
	}
	want := ownership.Identity{UUID: "u", Generation: 1}
	for range 2 {
		if err := c.CreateCluster(ctx, want); err != nil {
			t.Fatal(err)
		}
	}
	if id, _, err := c.Cluster(ctx); err != nil || id != want {
		t.Errorf("%+v, %v", id, err)
	}
	if err := c.CreateCluster(ctx, ownership.Identity{UUID: "other", Generation: 1}); !errors.Is(err, ErrOtherCluster) {
		t.Errorf("another cluster's record: %v", err)
	}
}

func TestOwnerKeys(t *testing.T) {
	c := server(t)
	ctx := deadline(t)
	mine, theirs := grant(t, c), grant(t, c)
	revision, err := c.CreateOwner(ctx, 5, mine, me)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := c.CreateOwner(ctx, 5, mine, me); err != nil || again != revision {
		t.Errorf("my own key again: %d, %v; want %d", again, err, revision)
	}
	if _, err := c.CreateOwner(ctx, 5, theirs, ownership.Process{Node: "n2"}); !errors.Is(err, ErrTaken) {
		t.Errorf("another's key: %v", err)
	}
	o, ok, err := c.Owner(ctx, 5)
	if want := (Owner{Process: me, Lease: mine, Revision: revision}); err != nil || !ok || o != want {
		t.Errorf("read back: %+v, %v, %v; want %+v", o, ok, err, want)
	}
	if err := c.DeleteOwner(ctx, 5, revision-1); err != nil {
		t.Fatal(err)
	}
	if _, ok, _ := c.Owner(ctx, 5); !ok {
		t.Fatal("deleted by another revision")
	}
	for range 2 {
		if err := c.DeleteOwner(ctx, 5, revision); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok, _ := c.Owner(ctx, 5); ok {
		t.Error("the key stands after its deletion")
	}
	if next, err := c.CreateOwner(ctx, 5, theirs, me); err != nil || next <= revision {
		t.Errorf("the next owner's revision is %d (%v), the last one's was %d", next, err, revision)
	}
}

func TestLeaseEndsWithItsKeys(t *testing.T) {
	c := server(t)
	ctx := deadline(t)
	lease := grant(t, c)
	if _, err := c.Renew(ctx, lease); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateOwner(ctx, 5, lease, me); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.Revoke(ctx, lease); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok, err := c.Owner(ctx, 5); ok || err != nil {
		t.Errorf("the key outlives its lease (%v)", err)
	}
	if _, err := c.Renew(ctx, lease); !errors.Is(err, ErrLeaseGone) {
		t.Errorf("renew: %v", err)
	}
	if _, err := c.CreateOwner(ctx, 6, lease, me); !errors.Is(err, ErrLeaseGone) {
		t.Errorf("create: %v", err)
	}
	if err := c.PutMember(ctx, Member{Name: "n1", Lease: lease}); !errors.Is(err, ErrLeaseGone) {
		t.Errorf("put member: %v", err)
	}
}

func TestNodeNameBelongsToOneProcess(t *testing.T) {
	c := server(t)
	ctx := deadline(t)
	first := Member{Name: "n1", Incarnation: "i1", Address: "a:1", Lease: grant(t, c), State: "ready"}
	second := Member{Name: "n1", Incarnation: "i2", Lease: grant(t, c)}
	if err := c.PutMember(ctx, first); err != nil {
		t.Fatal(err)
	}
	first.State = "draining"
	if err := c.PutMember(ctx, first); err != nil {
		t.Fatal(err)
	}
	if err := c.PutMember(ctx, second); !errors.Is(err, ErrNameTaken) {
		t.Errorf("got %v", err)
	}
	if m, ok, err := c.Member(ctx, "n1"); err != nil || !ok || m != first {
		t.Errorf("%+v, %v, %v", m, ok, err)
	}
	if err := c.Revoke(ctx, first.Lease); err != nil {
		t.Fatal(err)
	}
	if err := c.PutMember(ctx, second); err != nil {
		t.Errorf("after the first has gone: %v", err)
	}
}

// A node whose lease was lost puts its key under the next one, and the key then outlives the first.
func TestNodeKeyMovesToTheNextLease(t *testing.T) {
	c := server(t)
	ctx := deadline(t)
	m := Member{Name: "n1", Incarnation: "i1", Lease: grant(t, c)}
	former := m.Lease
	if err := c.PutMember(ctx, m); err != nil {
		t.Fatal(err)
	}
	m.Lease = grant(t, c)
	if err := c.PutMember(ctx, m); err != nil {
		t.Fatal(err)
	}
	if err := c.Revoke(ctx, former); err != nil {
		t.Fatal(err)
	}
	if standing, ok, err := c.Member(ctx, "n1"); err != nil || !ok || standing != m {
		t.Errorf("%+v, %v, %v; want %+v", standing, ok, err, m)
	}
}

// A key of my lease that is not this incarnation's is nobody's to take for its own.
func TestOwnerKeyIsMineByLeaseAndIncarnation(t *testing.T) {
	c := server(t)
	ctx := deadline(t)
	lease := grant(t, c)
	if _, err := c.CreateOwner(ctx, 5, lease, ownership.Process{Node: "n1", Incarnation: "i0"}); err != nil {
		t.Fatal(err)
	}
	_, err := c.CreateOwner(ctx, 5, lease, me)
	wantErr(t, "another incarnation's key", err, ErrTaken)
	if _, err := c.kv.Put(ctx, c.ownerKey(6), "not JSON"); err != nil {
		t.Fatal(err)
	}
	_, err = c.CreateOwner(ctx, 6, lease, me)
	wantErr(t, "an unreadable key", err, ErrTaken)
}

func TestLeaseExpires(t *testing.T) {
	c := server(t)
	ctx := deadline(t)
	lease, granted, err := c.Grant(ctx, 4*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateOwner(ctx, 5, lease, me); err != nil {
		t.Fatal(err)
	}
	v := watch(t, c)
	for range 3 { // renewals carry it past its first end
		time.Sleep(granted / 2)
		if _, err := c.Renew(ctx, lease); err != nil {
			t.Fatal(err)
		}
	}
	renewed := time.Now()
	eventually(t, time.Minute, "the key goes with its lease", func() bool { _, ok := v.Owner(5); return !ok })
	if lived := time.Since(renewed); lived < granted-500*time.Millisecond {
		t.Errorf("the key went %v after the last renewal of %v", lived, granted)
	}
	_, err = c.Renew(ctx, lease)
	wantErr(t, "renew", err, ErrLeaseGone)
	if err := c.Revoke(ctx, lease); err != nil {
		t.Errorf("revoke: %v", err)
	}
}

func TestAccusation(t *testing.T) {
	c := server(t)
	ctx := deadline(t)
	m := Member{Name: "n1", Incarnation: "i1", Lease: grant(t, c)}
	if err := c.PutMember(ctx, m); err != nil {
		t.Fatal(err)
	}
	stale := m
	stale.Lease++
	if err := c.Accuse(ctx, stale, "n2"); err != nil {
		t.Fatal(err)
	}
	if accused, err := c.Accused(ctx, "i1"); accused || err != nil {
		t.Fatalf("accused under a lease that it has not: %v, %v", accused, err)
	}
	if err := c.Accuse(ctx, m, "n2"); err != nil {
		t.Fatal(err)
	}
	if accused, err := c.Accused(ctx, "i1"); !accused || err != nil {
		t.Errorf("%v, %v", accused, err)
	}
	_, err := c.Renew(ctx, m.Lease)
	wantErr(t, "the accused renews", err, ErrLeaseGone)
}

func TestOpen(t *testing.T) {
	timing := ownership.DefaultTiming()
	for prefix, want := range map[string]string{"": DefaultPrefix, "/x": "/x/", "/x/": "/x/"} {
		c, err := Open(Config{Endpoints: []string{"127.0.0.1:1"}, Prefix: prefix, Timing: timing, Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.ownerKey(5); got != want+"owners/5" {
			t.Errorf("prefix %q: %s", prefix, got)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := Open(Config{Timing: timing, Log: quiet}); err == nil {
		t.Error("no endpoints are accepted")
	}
	if _, err := Open(Config{Endpoints: []string{"127.0.0.1:1"}, Log: quiet}); err == nil {
		t.Error("a timing without durations is accepted")
	}
}
