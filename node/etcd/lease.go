package etcd

import (
	"context"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Grant asks for a lease. ttl is rounded up to whole seconds; etcd may grant a longer one. A
// lease whose grant was not answered ends by itself.
func (c *Client) Grant(ctx context.Context, ttl time.Duration) (id int64, granted time.Duration, err error) {
	ctx, call, done := c.begin(ctx)
	defer done()
	r, err := c.kv.Grant(ctx, int64((ttl+time.Second-1)/time.Second))
	if err != nil {
		return 0, 0, call.failed(err)
	}
	return int64(r.ID), time.Duration(r.TTL) * time.Second, nil
}

// Renew renews a lease once. ErrLeaseGone: etcd has ended it. The caller's clock starts before
// the call (Lease.Renewed), so that a renewal repeated in here counts from its first sending.
func (c *Client) Renew(ctx context.Context, id int64) (granted time.Duration, err error) {
	ctx, call, done := c.begin(ctx)
	defer done()
	r, err := c.kv.KeepAliveOnce(ctx, clientv3.LeaseID(id))
	switch {
	case err != nil:
		return 0, call.failed(err)
	case r.TTL <= 0:
		return 0, ErrLeaseGone
	}
	return time.Duration(r.TTL) * time.Second, nil
}

// Revoke ends a lease and deletes its keys, all in one revision. A lease that is gone already
// is no error; after any error it may stand or not, and Revoke may be called again.
func (c *Client) Revoke(ctx context.Context, id int64) error {
	ctx, call, done := c.begin(ctx)
	defer done()
	_, err := c.kv.Revoke(ctx, clientv3.LeaseID(id))
	if err = call.outcome(err); err == ErrLeaseGone {
		return nil
	}
	return err
}
