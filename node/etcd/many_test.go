package etcd

import (
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"session-manager/node/ownership"
)

// A node of 10,000 clientes comes and goes; another node sees each of them once.
func TestViewSeesManyKeysGo(t *testing.T) {
	e := embedded(t)
	c, other := client(t, e.Endpoint()), client(t, e.Endpoint())
	ctx := deadline(t)
	lease := grantLong(t, c)
	if err := c.PutMember(ctx, Member{Name: me.Node, Incarnation: me.Incarnation, Lease: lease}); err != nil {
		t.Fatal(err)
	}
	v := watch(t, other)
	const n, single, batch = 10_000, 400, 100
	var all sync.WaitGroup
	start := time.Now()
	for writer := range 20 { // some as a node writes them, one call each,
		all.Go(func() {
			for i := writer; i < single; i += 20 {
				_, err := c.CreateOwner(ctx, ownership.Cliente(i+1), lease, me)
				for errors.Is(err, ownership.ErrUnknownOutcome) && ctx.Err() == nil { // a busy machine
					_, err = c.CreateOwner(ctx, ownership.Cliente(i+1), lease, me)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	value, err := json.Marshal(ownerRecord(me))
	if err != nil {
		t.Fatal(err)
	}
	for first := single; first < n; first += batch { // and most in batches, to save time
		all.Go(func() {
			var puts []clientv3.Op
			for i := range batch {
				key := c.ownerKey(ownership.Cliente(first + i + 1))
				puts = append(puts, clientv3.OpPut(key, string(value), clientv3.WithLease(clientv3.LeaseID(lease))))
			}
			if _, err := c.kv.Txn(ctx).Then(puts...).Commit(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	t.Logf("%d keys written in %v", n, time.Since(start))
	seen := make(map[ownership.Cliente]bool)
	next(t, v) // the node's own key
	for range n {
		ev := next(t, v)
		if ev.Kind != OwnerSet || seen[ev.Cliente] {
			t.Fatalf("%+v", ev)
		}
		seen[ev.Cliente] = true
	}
	start = time.Now()
	for err = c.Revoke(ctx, lease); errors.Is(err, ownership.ErrUnknownOutcome) && ctx.Err() == nil; err = c.Revoke(ctx, lease) {
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("revoked in %v", time.Since(start))
	for range n + 1 {
		switch ev := next(t, v); {
		case ev.Kind == MemberGone:
		case ev.Kind != OwnerGone || !ev.WithMember || !seen[ev.Cliente]:
			t.Fatalf("%+v", ev)
		default:
			delete(seen, ev.Cliente)
		}
	}
	t.Logf("seen by the other node after %v", time.Since(start))
	if len(seen) != 0 || len(v.Owners()) != 0 {
		t.Errorf("%d were not seen to go, %d are left", len(seen), len(v.Owners()))
	}
}
