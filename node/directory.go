package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"session-manager/node/ownership"
	"session-manager/ring"
	"session-manager/router"
	"session-manager/router/api"
)

// crowdedRetry is after how long there may be room for another cliente that is not paired.
const crowdedRetry = 30 * time.Second

var errNoTaker = errors.New("no node of the cluster takes clientes now")

// directory answers the router: where a cliente is, and its session if it is here. Routes
// follow ownership, which etcd's watch keeps in memory; placement only says who tries first.
type directory struct {
	node      string
	keeper    *keeper
	placement *placement
	records   records
	grace     *grace
	trouble   func() error // why etcd lets this node take nothing
	changed   *signal
	others    atomic.Pointer[others]
}

// others is the ring without this node.
type others struct{ whole, ring *ring.Ring }

// Locate says who owns the cliente. Owner "" means that nobody does; then Placement tries.
func (d *directory) Locate(c ownership.Cliente) router.Location {
	var at router.Location
	if node, ok := d.placement.Of(c); ok {
		at.Placement, at.PlacementMine = node, node == d.node
		if m, ok := d.records.Member(node); ok {
			at.PlacementAddress = m.Address
		}
	}
	if token, ok := d.keeper.Owned(c); ok {
		at.Owner, at.Mine, at.Epoch = d.node, true, token
		return at
	}
	if owner, ok := d.records.Owner(c); ok && owner.Process.Node != d.node {
		// A key whose node has gone is about to go with its lease; so is one of a past life.
		if m, ok := d.records.Member(owner.Process.Node); ok && m.Incarnation == owner.Process.Incarnation {
			at.Owner, at.Address = owner.Process.Node, m.Address
			at.Epoch = d.keeper.Token(owner.Revision)
			return at
		}
	}
	if d.keeper.Kept(c) && d.keeper.Silence() == 0 {
		at.Owner, at.Mine = d.node, true // on its way in or out: whoever waits here learns which, unless etcd is silent
		return at
	}
	if last, bound := d.grace.Binds(c); bound {
		at.Owner, at.Address = last.Name, last.Address // it serves as long as the store vouches for it
	} else if at.PlacementMine && !d.keeper.Takes() {
		d.elsewhere(c, &at)
	}
	return at
}

// elsewhere places a cliente that this node cannot take now, as the others do who know that, or
// will in a moment.
func (d *directory) elsewhere(c ownership.Cliente, at *router.Location) {
	whole := d.placement.Ring()
	o := d.others.Load()
	if o == nil || o.whole != whole {
		names := slices.DeleteFunc(slices.Clone(whole.Members()), func(name string) bool { return name == d.node })
		o = &others{whole, ring.New(names)}
		d.others.Store(o)
	}
	at.Placement, at.PlacementAddress, at.PlacementMine = "", "", false
	if node, ok := o.ring.Owner(uint64(c)); ok {
		at.Placement = node
		if m, ok := d.records.Member(node); ok {
			at.PlacementAddress = m.Address
		}
	}
}

// InVain is why waiting for an owner does not help: for longer than any failover takes this node
// has been out of touch with etcd, so that it can take nothing and does not learn who does, or
// there has been no node that takes anything. nil: it may help.
func (d *directory) InVain() error {
	limit := d.keeper.timing.Failover()
	if d.keeper.Silence() >= limit {
		return d.trouble()
	}
	if d.placement.Vacant() < limit {
		return nil
	}
	if err := d.keeper.Refusal(); err != nil {
		return err
	}
	return errNoTaker
}

func (d *directory) Changed() <-chan struct{} { return d.changed.Wait() }

// Running is the cliente's session if it runs at this node.
func (d *directory) Running(c ownership.Cliente) (api.Session, ownership.Token, bool) {
	s, token, ok := d.keeper.Running(c)
	if !ok {
		return nil, ownership.Token{}, false
	}
	s.Wake()
	return s, token, true
}

// Session is the cliente's session at this node, started where need be.
func (d *directory) Session(ctx context.Context, c ownership.Cliente) (api.Session, ownership.Token, error) {
	s, token, err := d.keeper.Session(ctx, c)
	var back *setbackError
	switch {
	case err == nil:
		s.Wake()
		return s, token, nil
	case errors.As(err, &back):
		return nil, ownership.Token{}, hindered(back)
	case errors.Is(err, errCrowded):
		return nil, ownership.Token{}, &router.Hindrance{Code: "TOO_MANY_UNPAIRED", Message: "Too many clientes wait to be paired at this node (--max-unpaired) - " +
			"those that nobody asks for go after minutes; retry then", RetryAfter: crowdedRetry}
	case errors.Is(err, errNoLease), errors.Is(err, errFlapping), errors.Is(err, errBarred), errors.Is(err, errSilent):
		return nil, ownership.Token{}, fmt.Errorf("%w: %w", ownership.ErrNotOwner, err)
	case errors.Is(err, ownership.ErrFenced), errors.Is(err, ownership.ErrLeaseLost):
		return nil, ownership.Token{}, fmt.Errorf("%w: %w", ownership.ErrNotOwner, err)
	}
	return nil, ownership.Token{}, err
}

// hindered is a setback as callers are told. What to do about it is the operator's to know, by /readyz.
func hindered(back *setbackError) error {
	code, message := "ETCD_REFUSES", "etcd lets no node take this session now - retry; an operator finds out why at /readyz"
	if hindrance(back) == "store" {
		code, message = "STORE_UNAVAILABLE", "Credential store unavailable - retry"
	}
	return fmt.Errorf("%w: %w", &router.Hindrance{Code: code, Message: message, RetryAfter: setbackRetry}, back)
}

// setbackRetry is after how long a caller may try again.
const setbackRetry = 2 * time.Second
