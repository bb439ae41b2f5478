package node

import (
	"context"
	"fmt"

	"session-manager/node/etcd"
	"session-manager/node/ownership"
	"session-manager/router"
)

// clusterInfo is the body of /cluster.
type clusterInfo struct {
	Nodes []nodeInfo `json:"nodes"`
	Ring  ringInfo   `json:"ring"`
	// Troubles are what keeps the node that answers from doing all that it should.
	Troubles []string `json:"troubles"`
	Self     selfInfo `json:"self"`
}

// selfInfo is the node that answers, with what /readyz and /health tell nobody who has no key.
type selfInfo struct {
	Name     string  `json:"name"`
	Ready    bool    `json:"ready"`
	Reason   *string `json:"reason"`   // why it is not ready; null: it is
	WhatsApp *string `json:"whatsapp"` // why WhatsApp cannot be reached; null: it can
}

type nodeInfo struct {
	Name        string `json:"name"`
	State       string `json:"state"` // ready, resting, draining, drained
	Address     string `json:"address"`
	PeerAddress string `json:"peer_address"`
	Incarnation string `json:"incarnation"`
	Alive       bool   `json:"alive"`    // as gossip sees it from here
	Sessions    int    `json:"sessions"` // running; an owned cliente is one
	Owned       int    `json:"owned"`    // ownership keys in etcd
	VouchedBy   string `json:"vouched_by"`
}

type ringInfo struct {
	Members  []string `json:"members"`
	Revision int64    `json:"etcd_revision"`
}

// ownerInfo is the body of /owners/<cliente>.
type ownerInfo struct {
	Cliente   ownership.Cliente `json:"cliente_id"`
	Owner     *string           `json:"owner"` // null: nobody
	Epoch     *string           `json:"epoch"`
	Placement *string           `json:"placement"`
	VouchedBy *string           `json:"vouched_by"`
}

// Who says that an ownership stands (protocol rule 5).
const (
	vouchedByEtcd  = "etcd"
	vouchedByStore = "store"
)

// clusterInfo counts from the view of etcd and gossip; the sessions of this node itself from
// its keeper.
func (p *parts) clusterInfo() clusterInfo {
	type life struct{ node, incarnation string }
	owned := make(map[life]int)
	for _, o := range p.view.Owners() {
		owned[life{o.Process.Node, o.Process.Incarnation}]++
	}
	alive := make(map[string]bool)
	for _, m := range p.gossip.Alive() {
		alive[m.Name] = true
	}
	info := clusterInfo{Nodes: []nodeInfo{}, Ring: ringInfo{Members: p.placement.Takers(), Revision: p.view.Revision()}, Troubles: p.troubles()}
	for _, m := range p.view.Members() {
		info.Nodes = append(info.Nodes, p.nodeInfo(m, owned[life{m.Name, m.Incarnation}], alive[m.Name]))
	}
	return info
}

func (p *parts) nodeInfo(m etcd.Member, owned int, alive bool) nodeInfo {
	sessions, vouchedBy := owned, vouchedByEtcd
	if m.Incarnation == p.keeper.process.Incarnation {
		sessions, vouchedBy = p.keeper.running(), p.vouchedBy()
	}
	return nodeInfo{
		Name: m.Name, State: m.State, Address: m.Public, PeerAddress: m.Address, Incarnation: m.Incarnation,
		Alive: alive, Sessions: sessions, Owned: owned, VouchedBy: vouchedBy,
	}
}

// vouchedBy is who vouches for this node's own sessions.
func (p *parts) vouchedBy() string {
	if p.keeper.Riding() {
		return vouchedByStore
	}
	return vouchedByEtcd
}

func (p *parts) ownerInfo(c ownership.Cliente) ownerInfo {
	at := p.directory.Locate(c)
	info := ownerInfo{Cliente: c, Owner: nonEmpty(at.Owner), Placement: nonEmpty(at.Placement)}
	if at.Epoch != (ownership.Token{}) {
		info.Epoch = nonEmpty(at.Epoch.String())
	}
	switch _, bound := p.grace.Binds(c); {
	case at.Owner == "":
	case at.Mine:
		info.VouchedBy = nonEmpty(p.vouchedBy())
	case bound:
		info.VouchedBy = nonEmpty(vouchedByStore)
	default:
		info.VouchedBy = nonEmpty(vouchedByEtcd)
	}
	return info
}

// SetTarget writes down where an operator wants a cliente; "": wherever the ring places it.
func (p *parts) SetTarget(ctx context.Context, c ownership.Cliente, node string) error {
	if _, ok := p.view.Member(node); node != "" && !ok {
		return fmt.Errorf("%w: %q", router.ErrUnknownNode, node)
	}
	return p.etcd.PutTarget(ctx, c, node)
}

// SetDrain writes down that an operator wants a node to have no clientes, or not any more.
func (p *parts) SetDrain(ctx context.Context, node string, drain bool) error {
	if _, ok := p.view.Member(node); drain && !ok {
		return fmt.Errorf("%w: %q", router.ErrUnknownNode, node)
	}
	return p.etcd.PutDrain(ctx, node, drain)
}

func nonEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
