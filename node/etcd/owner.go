package etcd

import (
	"context"
	"encoding/json"
	"fmt"
	"unique"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"session-manager/node/ownership"
)

// Owner is who owns a cliente.
type Owner struct {
	Process  ownership.Process
	Lease    int64
	Revision int64 // create revision of the key
}

// ownerRecord is the value of owners/<cliente>.
type ownerRecord struct {
	Node        string `json:"node"`
	Incarnation string `json:"incarnation"`
}

func (c *Client) ownerKey(cliente ownership.Cliente) string {
	return c.prefix + "owners/" + cliente.String()
}

// CreateOwner creates owners/<cliente> under the lease if it is absent, and returns its create
// revision; a key that stands under the same lease for the same process counts as created.
//
// ErrTaken: it stands under another lease, or for another process. ErrLeaseGone: the lease has
// ended. ownership.ErrUnknownOutcome: it may have been created, or may still be: a key read
// back as absent right after can yet appear, which is then a stray (rule 6). Any other
// error: it was certainly not created.
func (c *Client) CreateOwner(ctx context.Context, cliente ownership.Cliente, lease int64, p ownership.Process) (int64, error) {
	value, err := json.Marshal(ownerRecord(p))
	if err != nil {
		return 0, err
	}
	ctx, call, done := c.begin(ctx)
	defer done()
	key := c.ownerKey(cliente)
	r, err := c.kv.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
		Then(clientv3.OpPut(key, string(value), clientv3.WithLease(clientv3.LeaseID(lease)))).
		Else(clientv3.OpGet(key)).Commit()
	switch {
	case err != nil:
		return 0, call.outcome(err)
	case r.Succeeded:
		return r.Header.Revision, nil
	}
	standing, err := parseOwner(r.Responses[0].GetResponseRange().Kvs[0])
	switch {
	case err != nil:
		return 0, fmt.Errorf("%w: %w", ErrTaken, err)
	case standing.Lease == lease && standing.Process == p:
		return standing.Revision, nil
	}
	return 0, fmt.Errorf("%w: node %s", ErrTaken, standing.Process.Node)
}

// Owner reads owners/<cliente>.
func (c *Client) Owner(ctx context.Context, cliente ownership.Cliente) (Owner, bool, error) {
	ctx, call, done := c.begin(ctx)
	defer done()
	r, err := c.kv.Get(ctx, c.ownerKey(cliente))
	if err != nil || len(r.Kvs) == 0 {
		return Owner{}, false, call.failed(err)
	}
	o, err := parseOwner(r.Kvs[0])
	return o, err == nil, err
}

// parseOwner reads an owner. Its strings are shared with all others of the same process: with
// 100,000 owners, copies would be most of the view.
func parseOwner(kv *mvccpb.KeyValue) (Owner, error) {
	var rec ownerRecord
	if err := json.Unmarshal(kv.Value, &rec); err != nil {
		return Owner{}, fmt.Errorf("etcd key %s: %w", kv.Key, err)
	}
	p := ownership.Process{Node: unique.Make(rec.Node).Value(), Incarnation: unique.Make(rec.Incarnation).Value()}
	return Owner{Process: p, Lease: kv.Lease, Revision: kv.CreateRevision}, nil
}

// DeleteOwner deletes owners/<cliente> if it was created at revision. nil: the key of that
// revision does not stand, whoever deleted it. ownership.ErrUnknownOutcome: it may stand or
// not. Any other error: it was not deleted by this call.
func (c *Client) DeleteOwner(ctx context.Context, cliente ownership.Cliente, revision int64) error {
	ctx, call, done := c.begin(ctx)
	defer done()
	key := c.ownerKey(cliente)
	_, err := c.kv.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(key), "=", revision)).
		Then(clientv3.OpDelete(key)).Commit()
	return call.outcome(err)
}
