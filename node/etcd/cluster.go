package etcd

import (
	"context"
	"encoding/json"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"session-manager/node/ownership"
)

// clusterRecord is the value of the key cluster.
type clusterRecord struct {
	UUID       string `json:"uuid"`
	Generation int64  `json:"generation"`
}

// Cluster reads the cluster record, the zero Identity where there is none, and the header revision.
func (c *Client) Cluster(ctx context.Context) (id ownership.Identity, revision int64, err error) {
	ctx, call, done := c.begin(ctx)
	defer done()
	r, err := c.kv.Get(ctx, c.prefix+"cluster")
	if err != nil {
		return ownership.Identity{}, 0, call.failed(err)
	}
	if len(r.Kvs) == 0 {
		return ownership.Identity{}, r.Header.Revision, nil
	}
	var rec clusterRecord
	if err := json.Unmarshal(r.Kvs[0].Value, &rec); err != nil {
		return ownership.Identity{}, 0, fmt.Errorf("etcd key %scluster: %w", c.prefix, err)
	}
	return ownership.Identity(rec), r.Header.Revision, nil
}

// CreateCluster writes the cluster record if absent; nil too where the same one stands.
// ErrOtherCluster: another one stands. ownership.ErrUnknownOutcome: it may have been written.
func (c *Client) CreateCluster(ctx context.Context, id ownership.Identity) error {
	value, err := json.Marshal(clusterRecord(id))
	if err != nil {
		return err
	}
	ctx, call, done := c.begin(ctx)
	defer done()
	key := c.prefix + "cluster"
	r, err := c.kv.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
		Then(clientv3.OpPut(key, string(value))).Else(clientv3.OpGet(key)).Commit()
	switch {
	case err != nil:
		return call.outcome(err)
	case r.Succeeded:
		return nil
	}
	standing := r.Responses[0].GetResponseRange().Kvs[0]
	var rec clusterRecord
	if err := json.Unmarshal(standing.Value, &rec); err != nil {
		return fmt.Errorf("etcd key %s: %w", key, err)
	}
	if ownership.Identity(rec) != id {
		return fmt.Errorf("%w: %s, generation %d", ErrOtherCluster, rec.UUID, rec.Generation)
	}
	return nil
}

// ReplaceCluster replaces the cluster record old by id; nil too where id stands already.
// ErrOtherCluster: neither stands. ownership.ErrUnknownOutcome: it may have been replaced.
func (c *Client) ReplaceCluster(ctx context.Context, old, id ownership.Identity) error {
	before, err := json.Marshal(clusterRecord(old))
	if err != nil {
		return err
	}
	after, err := json.Marshal(clusterRecord(id))
	if err != nil {
		return err
	}
	ctx, call, done := c.begin(ctx)
	defer done()
	key := c.prefix + "cluster"
	r, err := c.kv.Txn(ctx).If(clientv3.Compare(clientv3.Value(key), "=", string(before))).
		Then(clientv3.OpPut(key, string(after))).Else(clientv3.OpGet(key)).Commit()
	switch {
	case err != nil:
		return call.outcome(err)
	case r.Succeeded:
		return nil
	}
	for _, kv := range r.Responses[0].GetResponseRange().Kvs {
		if string(kv.Value) == string(after) {
			return nil
		}
	}
	return fmt.Errorf("%w: its record is not that of %s, generation %d", ErrOtherCluster, old.UUID, old.Generation)
}
