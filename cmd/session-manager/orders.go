package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// lookEvery is between two looks whether an order has been carried out.
const lookEvery = 200 * time.Millisecond

type moveCmd struct {
	Cliente uint64        `arg:"" help:"Number of the cliente."`
	To      string        `help:"Name of the node that shall have it." placeholder:"NODE"`
	Undo    bool          `help:"Leave the cliente to the ring again."`
	Wait    time.Duration `default:"30s" help:"How long to wait until the node has it; 0: not at all."`
	remote
}

// Run gives the order and waits until it is carried out.
func (c *moveCmd) Run(ctx context.Context, s streams) error {
	if (c.To == "") == !c.Undo || c.Cliente == 0 {
		return usageError{fmt.Errorf("move: want a cliente from 1, and either --to NODE or --undo")}
	}
	owner := fmt.Sprintf("/owners/%d", c.Cliente)
	if c.Undo {
		return c.call(ctx, http.MethodDelete, owner+"/target", nil, nil)
	}
	body, err := json.Marshal(map[string]string{"node": c.To})
	if err != nil {
		return err
	}
	if err := c.call(ctx, http.MethodPut, owner+"/target", body, nil); err != nil {
		return err
	}
	return await(ctx, c.Wait, func() (bool, string, error) {
		var now struct {
			Owner *string `json:"owner"`
		}
		if err := c.get(ctx, owner, &now); err != nil {
			return false, err.Error(), nil
		}
		if now.Owner == nil {
			return false, fmt.Sprintf("cliente %d has no owner: it moves when it is next asked for", c.Cliente), nil
		}
		if *now.Owner != c.To {
			return false, fmt.Sprintf("cliente %d is still at %s", c.Cliente, *now.Owner), nil
		}
		_, err := fmt.Fprintf(s.out, "cliente %d is at %s\n", c.Cliente, c.To)
		return true, "", err
	})
}

type drainCmd struct {
	Node string        `arg:"" help:"Name of the node."`
	Undo bool          `help:"Let the node have clientes again."`
	Wait time.Duration `default:"60s" help:"How long to wait until the node has none; 0: not at all."`
	remote
}

// Run gives the order and waits until it is carried out.
func (c *drainCmd) Run(ctx context.Context, s streams) error {
	if c.Undo {
		return c.call(ctx, http.MethodDelete, "/drains/"+c.Node, nil, nil)
	}
	if err := c.call(ctx, http.MethodPut, "/drains/"+c.Node, nil, nil); err != nil {
		return err
	}
	return await(ctx, c.Wait, func() (bool, string, error) {
		var cluster struct {
			Nodes []struct {
				Name  string `json:"name"`
				Owned int    `json:"owned"`
			} `json:"nodes"`
		}
		if err := c.get(ctx, "/cluster", &cluster); err != nil {
			return false, err.Error(), nil
		}
		for _, n := range cluster.Nodes {
			if n.Name == c.Node && n.Owned > 0 {
				return false, fmt.Sprintf("%s still has %d clientes", c.Node, n.Owned), nil
			}
		}
		_, err := fmt.Fprintf(s.out, "%s has no clientes\n", c.Node)
		return true, "", err
	})
}

// await looks until done, for the time of limit; 0: it does not look at all.
func await(ctx context.Context, limit time.Duration, look func() (done bool, seen string, err error)) error {
	if limit == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		done, seen, err := look()
		if done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the order stands, but after %v %s", limit, seen)
		case <-time.After(lookEvery):
		}
	}
}
