package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"session-manager/node/crash"
	"session-manager/node/etcd"
	"session-manager/node/ownership"
	"session-manager/node/session"
	"session-manager/node/store"
	"session-manager/ring/gossip"
	"session-manager/router/peer"
)

// parts is what a node consists of, behind its edge. Fields that assemble did not reach are nil.
type parts struct {
	o        Options
	process  ownership.Process
	data     *dataDir
	files    descriptors
	registry *prometheus.Registry
	reason   *reason
	changed  *signal // routes may have changed
	forsake  func(peer string)
	proof    *peer.Proof
	secrets  peer.Secrets

	store     *store.Store
	embedded  *etcd.Embedded
	etcd      *etcd.Client
	view      *etcd.View
	gossip    *gossip.Gossip
	engine    *session.Engine
	keeper    *keeper
	placement *placement
	leaser    *leaser
	sweeper   *sweeper
	mover     *mover
	cleaner   *cleaner
	witness   *witness
	health    *health
	grace     *grace
	directory *directory

	life    context.Context // parent of all sessions and of the watch; ends last
	endLife context.CancelFunc
	loops   sync.WaitGroup
	endLoop context.CancelFunc // nil until run
}

// assemble builds the parts in the order in which they need one another. It returns an error
// when ctx ends, or for what no waiting cures.
func (p *parts) assemble(ctx context.Context, public, peerAddress string) error {
	p.life, p.endLife = context.WithCancel(context.Background())
	p.changed = newSignal()
	o := p.o
	retry := func(try func(context.Context) error) error {
		return persist(ctx, p.reason, o.Log, o.Timing.Renew, try)
	}
	m := newMetrics(p.registry)
	err := retry(func(ctx context.Context) (err error) {
		p.store, err = store.Open(ctx, store.Config{URL: o.Store, PasswordFile: o.StorePasswordFile, Process: p.process, Log: o.Log, MaxConns: p.files.store, OnRefused: m.refused.Inc})
		if errors.Is(err, store.ErrMisconfigured) {
			return ConfigError{fmt.Errorf("--store: %w", err)}
		}
		return err
	})
	if err != nil {
		return err
	}
	// Before anything is taken here: who crashed this node's last process must rest.
	if err := retry(func(ctx context.Context) error {
		return crash.JudgeAll(ctx, o.Data, p.process, court{p.store.Court()}, o.Log)
	}); err != nil {
		return err
	}
	if err := p.openEtcd(ctx); err != nil {
		return err
	}
	if err := retry(func(ctx context.Context) (err error) {
		p.secrets, err = p.settleSecrets(ctx, p.secrets)
		return err
	}); err != nil {
		return err
	}
	p.proof.Use(p.secrets)
	bound := &binding{etcd: p.etcd, store: p.store, log: o.Log, metrics: m}
	if err := retry(func(ctx context.Context) error {
		_, err := bound.Settle(ctx)
		if errors.Is(err, ownership.ErrWiped) && p.embedded != nil {
			err = fmt.Errorf("this node runs an etcd of its own, which no other node can see: give all nodes of a store the same --etcd (%w)", err)
		}
		return err
	}); err != nil {
		return err
	}
	if err := retry(func(ctx context.Context) (err error) {
		p.view, err = p.etcd.Watch(p.life)
		return err
	}); err != nil {
		return err
	}
	p.proof.Know(otherNodes(p.view))
	p.gossip, err = gossip.Start(gossip.Config{
		Name: o.Name, Bind: o.GossipListen, Advertise: o.GossipAdvertise, Secrets: p.gossipSecrets(), Seeds: p.seeds, Log: o.Log,
	})
	if err != nil {
		return ConfigError{fmt.Errorf("--gossip-listen, --gossip-advertise: %w", err)}
	}
	p.engine, err = session.NewEngine(session.Config{
		DeviceName: o.DeviceName, Endpoint: o.WhatsAppEndpoint, RootKey: o.WhatsAppRootKey,
		Timing: o.Timing, Log: o.Log, Registerer: p.registry,
	})
	if err != nil {
		return err
	}
	p.witness = &witness{
		node: o.Name, proof: p.proof, tls: o.peerClient(), timing: o.Timing, records: p.view,
		accuse: p.etcd.Accuse, log: o.Log, changed: newSignal(),
	}
	p.keeper = newKeeper(p.life, o.Timing, p.process, o.StartRate,
		ownerKeys{p.etcd}, successions{p.store, p.etcd.Accused, p.witness, p.data.Past, p.process, o.Timing}, sessions{p.engine, p.store}, p.changed, m, o.Log)
	p.keeper.Limit(p.files.sessions, p.files.errNoFiles())
	p.keeper.unpaired.most = o.MaxUnpaired
	p.keeper.unpaired.paired = func(ctx context.Context, c ownership.Cliente) (bool, error) {
		wanted, err := p.store.Wanted(ctx, c)
		return len(wanted) > 0, err
	}
	m.watch(p.registry, p.keeper)
	p.placement = newPlacement(p.gossip, p.view, p.view, p.forsake, p.changed)
	p.leaser = &leaser{
		timing: o.Timing, etcd: p.etcd, store: p.store, keeper: p.keeper,
		settle:  bound.Settle,
		members: p.view.Members, wasMine: p.data.WasMine, exit: o.Exit, flaps: ownership.NewFlaps(o.Timing),
		log: o.Log, metrics: m, reason: p.reason, doubt: make(chan struct{}, 1),
		member: etcd.Member{
			Name: o.Name, Incarnation: p.process.Incarnation, Address: peerAddress, Gossip: p.gossip.Addr(), Public: public, Wire: peer.Wire,
		},
	}
	p.grace = &grace{
		node: o.Name, timing: o.Timing, gossip: p.gossip, records: p.view, witness: p.witness, store: p.store, log: o.Log,
	}
	p.sweeper = &sweeper{
		timing: o.Timing, node: o.Name, keeper: p.keeper, placement: p.placement, records: p.view,
		events: p.view.Events(), store: p.store, grace: p.grace, ends: p.witness, synced: p.view.Synced, doubt: p.leaser.Doubt, recheck: p.leaser.Recheck, publish: p.leaser.Publish, log: o.Log,
	}
	p.mover = &mover{
		timing: o.Timing, node: o.Name, rate: o.RebalanceRate, drainRate: p.drainRate, keeper: p.keeper, leaser: p.leaser,
		placement: p.placement, records: p.view, log: o.Log, metrics: m,
	}
	p.health = &health{store: p.store, log: o.Log}
	p.health.watch(p.registry)
	p.cleaner = &cleaner{
		node: o.Name, keep: o.Retention, keeper: p.keeper, placement: p.placement, store: p.store, log: o.Log, metrics: m,
		owned: func(c ownership.Cliente) bool { _, ok := p.view.Owner(c); return ok },
	}
	p.directory = &directory{
		node: o.Name, keeper: p.keeper, placement: p.placement, records: p.view, grace: p.grace,
		trouble: p.leaser.Trouble, changed: p.changed,
	}
	return nil
}

func (p *parts) openEtcd(ctx context.Context) error {
	o := p.o
	endpoints := o.Etcd.Endpoints
	if len(endpoints) == 0 {
		var err error
		p.embedded, err = etcd.StartEmbedded(ctx, etcd.EmbeddedConfig{Dir: p.data.file("etcd"), Log: o.Log})
		if err != nil {
			return dataError(o.Data, err)
		}
		endpoints = []string{p.embedded.Endpoint()}
	}
	var err error
	p.etcd, err = etcd.Open(etcd.Config{
		Endpoints: endpoints, Prefix: o.Etcd.Prefix, TLS: o.Etcd.TLS,
		Username: o.Etcd.Username, PasswordFile: o.Etcd.PasswordFile, Timing: o.Timing, Log: o.Log,
	})
	if err != nil {
		return ConfigError{fmt.Errorf("--etcd: %w", err)}
	}
	return persist(ctx, p.reason, o.Log, o.Timing.Renew, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, o.Timing.TTL)
		defer cancel()
		if err := p.etcd.Ping(ctx); err != nil {
			return fmt.Errorf("etcd %s: %w", strings.Join(endpoints, ","), err)
		}
		return nil
	})
}

// seeds are the other nodes' gossip addresses, as etcd knows them.
func (p *parts) seeds() []string {
	var addresses []string
	for _, m := range p.view.Members() {
		if m.Name != p.o.Name && m.Gossip != "" {
			addresses = append(addresses, m.Gossip)
		}
	}
	return addresses
}

// run starts the loops; stop ends them.
func (p *parts) run() {
	var ctx context.Context
	ctx, p.endLoop = context.WithCancel(p.life)
	for _, loop := range []func(context.Context){p.placement.Run, p.keeper.Run, p.leaser.Run, p.sweeper.Run, p.mover.Run, p.cleaner.Run, p.witness.Run, p.health.Run, p.hangups} {
		p.loops.Go(func() { loop(ctx) })
	}
}

// stop ends the loops and what a drain left, and gives the lease back when nothing runs on it
// any more.
func (p *parts) stop() {
	p.endLoop()
	p.loops.Wait()
	p.leaser.End()
}

// close closes the parts, in reverse order.
func (p *parts) close() {
	p.endLife()
	if p.engine != nil {
		p.engine.Close()
	}
	var errs []error
	if p.gossip != nil {
		errs = append(errs, p.gossip.Leave(p.o.Timing.Stop), p.gossip.Close())
	}
	if p.etcd != nil {
		errs = append(errs, p.etcd.Close())
	}
	if p.embedded != nil {
		p.embedded.Close()
	}
	if p.store != nil {
		errs = append(errs, p.store.Close())
	}
	if err := errors.Join(errs...); err != nil {
		p.o.Log.Warn("not everything closed cleanly", "err", err)
	}
}
