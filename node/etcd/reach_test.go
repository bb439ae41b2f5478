package etcd

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"session-manager/node/ownership"
)

// The outage is long enough for an unbounded back-off to have grown past what is allowed here.
func TestCallsWorkSoonAfterAnOutage(t *testing.T) {
	dir := t.TempDir()
	e, err := StartEmbedded(context.Background(), EmbeddedConfig{Dir: dir, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	relay := newRelay(t, e.Endpoint())
	c := client(t, relay.address())
	ctx := deadline(t)
	if err := c.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	relay.cut()
	e.Close()
	for outage := time.Now(); time.Since(outage) < 10*time.Second; {
		if err := c.Ping(ctx); err == nil {
			t.Fatal("a server that is not there answered")
		}
	}
	e, err = StartEmbedded(context.Background(), EmbeddedConfig{Dir: dir, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	relay.to(e.Endpoint())
	back := eventually(t, 30*time.Second, "a call works", func() bool { return c.Ping(ctx) == nil })
	// The longest back-off is 1 s and 20 % of jitter, where gRPC's own would have come to 6.6 s by
	// now; the rest is for a busy machine.
	if back > 4*time.Second {
		t.Errorf("calls work again %v after the server was back", back)
	}
	t.Logf("calls work again after %v", back)
}

// The view keeps answering through a cut, says that it is old, and makes up for what it has
// missed when even the history is gone.
func TestViewThroughACutWithCompaction(t *testing.T) {
	e := embedded(t)
	relay := newRelay(t, e.Endpoint())
	c, direct := client(t, relay.address()), client(t, e.Endpoint())
	ctx := deadline(t)
	// A node with two owners, and a third cliente whose owner stays.
	leaving, staying := grantLong(t, direct), grantLong(t, direct)
	if err := direct.PutMember(ctx, Member{Name: me.Node, Incarnation: me.Incarnation, Lease: leaving}); err != nil {
		t.Fatal(err)
	}
	var revisions [4]int64
	for i, lease := range map[int]int64{1: leaving, 2: leaving, 3: staying} {
		var err error
		if revisions[i], err = direct.CreateOwner(ctx, ownership.Cliente(i), lease, me); err != nil {
			t.Fatal(err)
		}
	}
	v := watch(t, c)
	for range 4 {
		next(t, v)
	}
	if !v.Synced() {
		t.Errorf("not synced at the start, age %v", v.Age())
	}

	relay.cut()
	if err := direct.DeleteOwner(ctx, 1, revisions[1]); err != nil {
		t.Fatal(err)
	}
	again, err := direct.CreateOwner(ctx, 1, staying, me) // another ownership of the same cliente
	if err != nil {
		t.Fatal(err)
	}
	if err := direct.Revoke(ctx, leaving); err != nil {
		t.Fatal(err)
	}
	_, revision, err := direct.Cluster(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := direct.kv.Compact(ctx, revision); err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, "the view says that it is old", func() bool { return !v.Synced() })
	if o, ok := v.Owner(2); !ok || o.Revision != revisions[2] {
		t.Errorf("out of reach, the view forgot: %+v, %v", o, ok)
	}

	relay.to(e.Endpoint())
	var gone, set = map[ownership.Cliente]Event{}, map[ownership.Cliente]Event{}
	memberGone := false
	for range 4 {
		switch ev := next(t, v); ev.Kind {
		case OwnerGone:
			gone[ev.Cliente] = ev
		case OwnerSet:
			set[ev.Cliente] = ev
		case MemberGone:
			memberGone = true
		}
	}
	if !memberGone || len(gone) != 2 || len(set) != 1 || set[1].Owner.Revision != again || !gone[2].WithMember {
		t.Errorf("member gone %v, gone %+v, set %+v", memberGone, gone, set)
	}
	if _, ok := v.Owner(2); ok || v.Revision() < revision || !v.Synced() {
		t.Errorf("owner 2 stands: %v, revision %d, age %v", ok, v.Revision(), v.Age())
	}
}

// A server that hangs keeps its connections; the view notices, and comes back with the server.
func TestViewOfASilentServer(t *testing.T) {
	e := embedded(t)
	relay := newRelay(t, e.Endpoint())
	c, direct := nervous(t, relay.address(), quiet), client(t, e.Endpoint())
	ctx := deadline(t)
	v := watch(t, c)
	eventually(t, 30*time.Second, "the view is synced", v.Synced)
	relay.loseReplies()
	if _, err := direct.CreateOwner(ctx, 5, grantLong(t, direct), me); err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, "the view is not synced", func() bool { return v.Age() > 3*time.Second })
	relay.heal(e.Endpoint())
	if ev := next(t, v); ev.Kind != OwnerSet || ev.Cliente != 5 {
		t.Errorf("%+v", ev)
	}
	eventually(t, 30*time.Second, "the view is synced", v.Synced)
}

// Where nothing happens, the view is not old: etcd says so when it is asked, from the start
// on, after changes, and after a connection was made anew.
func TestViewOfAnIdleServer(t *testing.T) {
	e := embedded(t)
	relay := newRelay(t, e.Endpoint())
	var said syncBuffer
	c, direct := nervous(t, relay.address(), slog.New(slog.NewTextHandler(&said, nil))), client(t, e.Endpoint())
	v := watch(t, c)
	inTouch := func(when string) {
		t.Helper()
		for range 3 {
			before := time.Now()
			eventually(t, 30*time.Second, "etcd says how far the view is "+when, func() bool { return v.Age() < time.Since(before) })
		}
	}
	inTouch("from the start")
	if _, err := direct.CreateOwner(deadline(t), 5, grantLong(t, direct), me); err != nil {
		t.Fatal(err)
	}
	next(t, v)
	inTouch("after a change")
	if said.String() != "" {
		t.Errorf("the watch did not hold: %s", said.String())
	}
	relay.heal(e.Endpoint())
	inTouch("after a cut")
	select {
	case ev := <-v.Events():
		t.Errorf("an event of nothing: %+v", ev)
	default:
	}
}

// syncBuffer is a buffer that may be read while it is written.
type syncBuffer struct {
	mu sync.Mutex // guards b
	b  strings.Builder
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// A client that is closed takes its views with it.
func TestCloseEndsViews(t *testing.T) {
	e := embedded(t)
	c, err := Open(Config{Endpoints: []string{e.Endpoint()}, Timing: ownership.DefaultTiming(), Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	v, err := c.Watch(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if len(v.Owners()) != 0 || len(v.Members()) != 0 {
		t.Error("the view changed with its end")
	}
}
