package etcd

import (
	"context"
	"maps"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"

	"session-manager/node/ownership"
)

// An operator's orders are keys of their own, without a lease: they stand until they are taken
// back, whoever restarts meanwhile.
//
//	moves/<cliente>  the node that should have the cliente, above what the ring says
//	drains/<node>    the node should have none

// PutTarget says which node should have the cliente; "" leaves it to the ring again.
func (c *Client) PutTarget(ctx context.Context, cliente ownership.Cliente, node string) error {
	return c.order(ctx, "moves/"+cliente.String(), node)
}

// PutDrain says that the node should have no clientes, or may again.
func (c *Client) PutDrain(ctx context.Context, node string, drain bool) error {
	value := ""
	if drain {
		value = "drain"
	}
	return c.order(ctx, "drains/"+node, value)
}

// order writes a key, or deletes it where value is "".
func (c *Client) order(ctx context.Context, key, value string) error {
	ctx, call, done := c.begin(ctx)
	defer done()
	op := clientv3.OpPut(c.prefix+key, value)
	if value == "" {
		op = clientv3.OpDelete(c.prefix + key)
	}
	_, err := c.kv.Txn(ctx).Then(op).Commit()
	return call.outcome(err)
}

// orders are the orders that stand.
type orders struct {
	targets map[ownership.Cliente]string
	drains  map[string]bool
}

func newOrders() orders {
	return orders{targets: make(map[ownership.Cliente]string), drains: make(map[string]bool)}
}

// book takes a key's value, "" where it was deleted, and says whether it is an order's.
func (o orders) book(key, value string) bool {
	if number, ok := strings.CutPrefix(key, "moves/"); ok {
		c, err := ownership.ParseCliente(number)
		switch {
		case err != nil:
			return false
		case value == "":
			delete(o.targets, c)
		default:
			o.targets[c] = value
		}
		return true
	}
	if node, ok := strings.CutPrefix(key, "drains/"); ok {
		if value == "" {
			delete(o.drains, node)
		} else {
			o.drains[node] = true
		}
		return true
	}
	return false
}

// Target is the node that an operator wants the cliente to be at.
func (v *View) Target(c ownership.Cliente) (node string, ok bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	node, ok = v.orders.targets[c]
	return node, ok
}

// Targets are all clientes that an operator wants to be at some node.
func (v *View) Targets() map[ownership.Cliente]string {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return maps.Clone(v.orders.targets)
}

// Drained says whether an operator wants the node to have no clientes.
func (v *View) Drained(node string) bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.orders.drains[node]
}
