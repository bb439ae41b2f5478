package etcd

import (
	"context"
	"encoding/json"
	"fmt"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Member is a node as nodes/<name> describes it.
type Member struct {
	Name        string `json:"name"`
	Incarnation string `json:"incarnation"`
	Address     string `json:"peer"`   // of its peer HTTP
	Gossip      string `json:"gossip"` // of its gossip
	Public      string `json:"public"` // of its public HTTP
	Lease       int64  `json:"lease"`  // read back from the key itself, not from its value
	State       string `json:"state"`  // ready, resting, draining, drained
	Wire        int    `json:"wire"`   // peer.Wire of its release; 0: the release before there were any
}

// memberTries bounds how often PutMember meets a key of its own that changes meanwhile: only
// this process writes it, so once is already rare.
const memberTries = 3

func (c *Client) memberKey(name string) string { return c.prefix + "nodes/" + name }

// PutMember writes nodes/<m.Name> under m.Lease where it is absent or this process's own.
//
// ErrNameTaken: it is another process's; Member says whose. ErrLeaseGone: m.Lease has ended.
// ownership.ErrUnknownOutcome: it may have been written, and PutMember may be called again.
func (c *Client) PutMember(ctx context.Context, m Member) error {
	value, err := json.Marshal(m)
	if err != nil {
		return err
	}
	ctx, call, done := c.begin(ctx)
	defer done()
	key := c.memberKey(m.Name)
	put := clientv3.OpPut(key, string(value), clientv3.WithLease(clientv3.LeaseID(m.Lease)))
	var revision int64 // at which the key was seen as mine; 0: absent
	for range memberTries {
		r, err := c.kv.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", revision)).
			Then(put).Else(clientv3.OpGet(key)).Commit()
		switch {
		case err != nil:
			return call.outcome(err)
		case r.Succeeded:
			return nil
		}
		kvs := r.Responses[0].GetResponseRange().Kvs
		if len(kvs) == 0 {
			revision = 0 // its former lease ended meanwhile
			continue
		}
		standing, err := parseMember(m.Name, kvs[0])
		if err != nil {
			return fmt.Errorf("etcd key %s: %w", key, err)
		}
		if standing.Incarnation != m.Incarnation {
			return fmt.Errorf("%w: %q is incarnation %s at %s", ErrNameTaken, m.Name, standing.Incarnation, standing.Address)
		}
		revision = kvs[0].ModRevision
	}
	return fmt.Errorf("etcd key %s changed %d times while it was written", key, memberTries)
}

// Member reads nodes/<name>.
func (c *Client) Member(ctx context.Context, name string) (Member, bool, error) {
	ctx, call, done := c.begin(ctx)
	defer done()
	key := c.memberKey(name)
	r, err := c.kv.Get(ctx, key)
	if err != nil || len(r.Kvs) == 0 {
		return Member{}, false, call.failed(err)
	}
	m, err := parseMember(name, r.Kvs[0])
	if err != nil {
		return Member{}, false, fmt.Errorf("etcd key %s: %w", key, err)
	}
	return m, true, nil
}

// parseMember reads a member. Its name and lease are the key's own: they decide what ends with
// what, whatever the value says.
func parseMember(name string, kv *mvccpb.KeyValue) (Member, error) {
	var m Member
	if err := json.Unmarshal(kv.Value, &m); err != nil {
		return Member{}, err
	}
	m.Name, m.Lease = name, kv.Lease
	return m, nil
}
