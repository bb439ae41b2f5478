package etcd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// ErrOtherSecret: the cluster's secret is none of this node's.
var ErrOtherSecret = errors.New("the cluster has another secret")

func (c *Client) agreedKey() string { return c.prefix + "secret/agreed" }

// FingerprintsKey is the key that tells which secrets the cluster's nodes have.
func (c *Client) FingerprintsKey() string { return c.prefix + "secret/fingerprints" }

// AgreeSecret returns what the nodes of this prefix have agreed on: the proposal, where nothing stood yet.
// ownership.ErrUnknownOutcome: the proposal may stand; AgreeSecret may be called again, with any other one.
func (c *Client) AgreeSecret(ctx context.Context, proposal string) (string, error) {
	ctx, call, done := c.begin(ctx)
	defer done()
	key := c.agreedKey()
	r, err := c.kv.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
		Then(clientv3.OpPut(key, proposal)).Else(clientv3.OpGet(key)).Commit()
	switch {
	case err != nil:
		return "", call.outcome(err)
	case r.Succeeded:
		return proposal, nil
	}
	return string(r.Responses[0].GetResponseRange().Kvs[0].Value), nil
}

// SettleFingerprints compares the fingerprints of this node's secrets with those of the node that was started
// last, and leaves its own for the next one. ErrOtherSecret: they have none in common, and nothing was written.
func (c *Client) SettleFingerprints(ctx context.Context, mine []string) error {
	value, err := json.Marshal(mine)
	if err != nil {
		return err
	}
	ctx, call, done := c.begin(ctx)
	defer done()
	key := c.FingerprintsKey()
	var revision int64 // at which the key was read; 0: absent
	for range memberTries {
		r, err := c.kv.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", revision)).
			Then(clientv3.OpPut(key, string(value))).Else(clientv3.OpGet(key)).Commit()
		switch {
		case err != nil:
			return call.outcome(err)
		case r.Succeeded:
			return nil
		}
		kvs := r.Responses[0].GetResponseRange().Kvs
		if len(kvs) == 0 {
			revision = 0
			continue
		}
		var standing []string
		if err := json.Unmarshal(kvs[0].Value, &standing); err != nil {
			return fmt.Errorf("etcd key %s: %w", key, err)
		}
		if !slices.ContainsFunc(standing, func(s string) bool { return slices.Contains(mine, s) }) {
			return fmt.Errorf("%w: fingerprint %v, this node's %v", ErrOtherSecret, standing, mine)
		}
		if slices.Equal(standing, mine) {
			return nil
		}
		revision = kvs[0].ModRevision
	}
	return fmt.Errorf("etcd key %s changed %d times while it was written", key, memberTries)
}
