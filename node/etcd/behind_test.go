package etcd

import (
	"context"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"session-manager/node/ownership"
)

// A view that has fallen behind by thousands of revisions misses none of them: etcd sends them in
// portions of 1,000, each under the header of its present revision.
func TestViewCatchesUp(t *testing.T) {
	e := embedded(t)
	c := client(t, e.Endpoint())
	ctx := deadline(t)
	v := &View{client: c, events: newEventQueue(), changed: make(chan struct{}), former: make(map[ownership.Cliente]Former), orders: newOrders()}
	defer v.events.close()
	if err := v.list(ctx); err != nil {
		t.Fatal(err)
	}
	lease := grantLong(t, c)
	const n = 1500
	for i := range n { // each a revision of its own: written, and most of them deleted again
		if _, err := c.CreateOwner(ctx, ownership.Cliente(i+1), lease, me); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.kv.Delete(ctx, c.ownerKey(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.kv.Delete(ctx, c.ownerKey(ownership.Cliente(n))); err != nil {
		t.Fatal(err)
	}
	last, err := c.kv.Get(ctx, c.ownerKey(2), clientv3.WithLimit(1))
	if err != nil {
		t.Fatal(err)
	}
	watching, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- v.watch(watching) }()
	eventually(t, 10*time.Second, "the view is as far as etcd", func() bool { return v.Revision() >= last.Header.Revision })
	if got := len(v.Owners()); got != n-2 {
		t.Errorf("%d owners, want %d", got, n-2)
	}
	stop()
	<-ended
}
