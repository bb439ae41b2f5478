package node

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"session-manager/node/ownership"
	"session-manager/router"
	"session-manager/router/api"
)

var errStarting = errors.New("this node is starting: it waits for etcd or the credential store")

// front is what the router asks. It answers from the first moment on, though the parts behind
// it come up later: until then nothing is anywhere, and the reason says why.
type front struct {
	node   string
	reason *reason
	never  chan struct{}
	begun  time.Time
	limit  time.Duration // for which callers may be kept waiting for the parts
	parts  atomic.Pointer[parts]
}

// Locate is the directory's.
func (f *front) Locate(c ownership.Cliente) router.Location {
	if p := f.parts.Load(); p != nil {
		return p.directory.Locate(c)
	}
	return router.Location{}
}

// Changed is closed at the next change of routes.
func (f *front) Changed() <-chan struct{} {
	if p := f.parts.Load(); p != nil {
		return p.directory.Changed()
	}
	return f.never
}

// InVain is the directory's. Parts that do not come up keep callers no longer than a failover would.
func (f *front) InVain() error {
	if p := f.parts.Load(); p != nil {
		return p.directory.InVain()
	}
	if time.Since(f.begun) < f.limit {
		return nil
	}
	return f.Ready()
}

// Running is the directory's.
func (f *front) Running(c ownership.Cliente) (api.Session, ownership.Token, bool) {
	if p := f.parts.Load(); p != nil {
		return p.directory.Running(c)
	}
	return nil, ownership.Token{}, false
}

// Session is the directory's.
func (f *front) Session(ctx context.Context, c ownership.Cliente) (api.Session, ownership.Token, error) {
	if p := f.parts.Load(); p != nil {
		return p.directory.Session(ctx, c)
	}
	return nil, ownership.Token{}, errStarting
}

// Ready is nil when this node serves, else why it does not.
func (f *front) Ready() error {
	if err := f.reason.Get(); err != nil {
		return err
	}
	p := f.parts.Load()
	if p == nil {
		return errStarting
	}
	if p.keeper.Lease() == nil {
		return errNoLease
	}
	if barred := p.leaser.Barred(); unusable(barred) {
		return barred
	}
	return p.health.Ready()
}

// Reachable is nil, or why WhatsApp cannot be reached.
func (f *front) Reachable() error {
	if p := f.parts.Load(); p != nil {
		return p.engine.Reachable()
	}
	return errStarting
}

// Cluster is the body of /cluster.
func (f *front) Cluster() any {
	info := clusterInfo{Nodes: []nodeInfo{}, Ring: ringInfo{Members: []string{}}, Troubles: f.starting()}
	if p := f.parts.Load(); p != nil {
		info = p.clusterInfo()
	}
	info.Self = selfInfo{Name: f.node, Ready: true}
	if err := f.Ready(); err != nil {
		info.Self.Ready, info.Self.Reason = false, nonEmpty(err.Error())
	}
	if err := f.Reachable(); err != nil {
		info.Self.WhatsApp = nonEmpty(err.Error())
	}
	return info
}

// Owner is the body of /owners/<c>.
func (f *front) Owner(c ownership.Cliente) any {
	if p := f.parts.Load(); p != nil {
		return p.ownerInfo(c)
	}
	return ownerInfo{Cliente: c}
}

// Known says whether the cliente ever existed.
func (f *front) Known(ctx context.Context, c ownership.Cliente) (bool, error) {
	if p := f.parts.Load(); p != nil {
		return p.store.Known(ctx, c)
	}
	return false, errStarting
}

// SetTarget is an operator's order.
func (f *front) SetTarget(ctx context.Context, c ownership.Cliente, node string) error {
	if p := f.parts.Load(); p != nil {
		return p.SetTarget(ctx, c, node)
	}
	return errStarting
}

// SetDrain is an operator's order.
func (f *front) SetDrain(ctx context.Context, node string, drain bool) error {
	if p := f.parts.Load(); p != nil {
		return p.SetDrain(ctx, node, drain)
	}
	return errStarting
}

// starting is why there are no parts yet.
func (f *front) starting() []string {
	if err := f.reason.Get(); err != nil {
		return []string{"this node: " + err.Error()}
	}
	return []string{}
}
