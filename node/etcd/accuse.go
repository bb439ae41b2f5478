package etcd

import (
	"context"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// accusationTTL is how long an accusation stands: far longer than any successor needs.
const accusationTTL = 60 * time.Second

func (c *Client) accusedKey(incarnation string) string { return c.prefix + "accused/" + incarnation }

// Accuse ends the lease of a process that is thought to be dead, after writing down that it was
// ended by an accusation (protocol rule 9): who takes over then holds back, unless it has seen
// the process end. Where the member's key does not stand under that lease any more, nothing is done.
func (c *Client) Accuse(ctx context.Context, m Member, by string) error {
	lease, _, err := c.Grant(ctx, accusationTTL)
	if err != nil {
		return fmt.Errorf("accuse %s: %w", m.Name, err)
	}
	writing, call, done := c.begin(ctx)
	defer done()
	r, err := c.kv.Txn(writing).If(clientv3.Compare(clientv3.LeaseValue(c.memberKey(m.Name)), "=", m.Lease)).
		Then(clientv3.OpPut(c.accusedKey(m.Incarnation), by, clientv3.WithLease(clientv3.LeaseID(lease)))).Commit()
	if err != nil {
		return fmt.Errorf("accuse %s: %w", m.Name, call.outcome(err))
	}
	if !r.Succeeded {
		return c.Revoke(ctx, lease) // it has gone already
	}
	if err := c.Revoke(ctx, m.Lease); err != nil {
		return fmt.Errorf("accuse %s: %w", m.Name, err)
	}
	return nil
}

// Accused says whether the lease of that process was ended by an accusation, of late.
func (c *Client) Accused(ctx context.Context, incarnation string) (bool, error) {
	ctx, call, done := c.begin(ctx)
	defer done()
	r, err := c.kv.Get(ctx, c.accusedKey(incarnation), clientv3.WithCountOnly())
	if err != nil {
		return false, call.failed(err)
	}
	return r.Count > 0, nil
}
