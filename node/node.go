package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/go-sockaddr"
	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"session-manager/node/entrance"
	"session-manager/node/ownership"
	"session-manager/router"
	"session-manager/router/keys"
	"session-manager/router/peer"
)

// Run is one node's life: it serves until ctx ends, then drains, and returns nil. An error
// means that the node could not start as configured, or that a listener failed.
//
// etcd or the store out of reach at start is no error: the node listens, says on /readyz and
// in the log what it waits for, and goes on when it is there.
func Run(ctx context.Context, o Options) error {
	// 1. What is this node's alone: its directory, its name, its addresses.
	if err := o.complete(); err != nil {
		return err
	}
	data, err := openDataDir(o.Data)
	if err != nil {
		return dataError(o.Data, err)
	}
	defer data.Close()
	process := ownership.Process{Node: o.Name, Incarnation: ulid.Make().String()}
	if err := data.Remember(process.Incarnation); err != nil {
		return dataError(o.Data, err)
	}
	if len(o.Etcd.Endpoints) == 0 {
		if err := data.room(); err != nil {
			return err
		}
	}
	report, err := o.reportCrash(process)
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	files := divide(openFiles(), o)
	files.warn(o.Log)
	ports, err := listen(o, files, entrance.NewMetrics(registry))
	if err != nil {
		return err
	}
	defer ports.close()
	peerAddress, err := advertised(o.PeerAdvertise, ports.peer)
	if err != nil {
		return ConfigError{err}
	}
	publicAddress, err := advertised("", ports.public)
	if err != nil {
		return err
	}

	secrets, err := o.secrets(data)
	if err != nil {
		return dataError(o.Data, err)
	}
	proof := &peer.Proof{Node: o.Name, Address: peerAddress}
	proof.Use(secrets)

	// 2. The edge answers from now on, if only that the node is not ready.
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	registry.MustRegister(o.Collectors...)
	why := &reason{}
	why.Set(errStarting)
	edge := &front{node: o.Name, reason: why, never: make(chan struct{}), begun: time.Now(), limit: o.Timing.Failover()}
	var callers *keys.File
	if o.APIKeysFile != "" {
		if callers, err = keys.Open(o.APIKeysFile); err != nil {
			return err
		}
	}
	r, err := router.New(router.Config{
		Node: o.Name, Incarnation: process.Incarnation, Version: o.Version, Directory: edge, Local: edge, Operator: edge, Orders: edge,
		Peers: proof, PeerTLS: o.peerClient(), Keys: callers, Origins: o.origins(), Log: o.Log, Registry: registry, Limits: router.Limits{Peer: files.peers}, DefaultCliente: o.DefaultCliente,
	})
	if err != nil {
		return err
	}
	running, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	defer o.endHard(running)()
	var servers sync.WaitGroup
	ports.serve(r, &servers, fail)
	ports.serveProfiles(running, &servers, o.origins(), o.Log)
	o.followCertificates(running, &servers, registry)
	if callers != nil {
		servers.Go(func() { callers.Follow(running, keysInterval, o.Log) })
	}
	o.Log.Info("listening", "node", o.Name, "listen", ports.public.Addr().String(), "tls", o.TLS != nil,
		"peer", ports.peer.Addr().String(), "peer_tls", o.PeerTLS != nil, "version", o.Version)
	if ports.trusted != nil {
		o.Log.Info("listening for callers who need no API key", "node", o.Name, "listen", ports.trusted.Addr().String())
	}

	judging, endJudge := context.WithCancel(context.Background()) // until nothing runs that could crash
	defer endJudge()
	o.keepJudge(judging, &servers, process, report)

	// 3. The parts, each as soon as what it needs is there.
	p := &parts{o: o, process: process, data: data, files: files, registry: registry, reason: why, forsake: r.Forsake, proof: proof, secrets: secrets}
	err = p.assemble(running, publicAddress, peerAddress)
	begun := time.Now()
	if err == nil {
		edge.parts.Store(p)
		p.run()
		p.announce(running, ports.public.Addr().String(), ports.peer.Addr().String())
		<-running.Done()
		begun = time.Now()
		// 4. The end, planned or not. The peer port closes when nothing of ours runs any more:
		// to other nodes its end is evidence of just that.
		r.Leave()
		p.drain()
		p.stop()
	}
	shutdown, cancel := context.WithTimeout(context.Background(), max(o.DrainTimeout-time.Since(begun), lastRequests))
	defer cancel()
	if err := r.Shutdown(shutdown); err != nil {
		o.Log.Warn("requests were still under way at the end", "err", err)
	}
	ports.close() // a Serve that comes after its Shutdown would serve on
	endJudge()
	servers.Wait()
	p.close()
	if cause := context.Cause(running); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	if err != nil && ctx.Err() == nil {
		return err
	}
	o.Log.Info("stopped", "node", o.Name)
	return nil
}

// keysInterval is how often the API keys are looked at: a revoked key works for so long.
const keysInterval = 2 * time.Second

// announce calls Ready once this node owns a lease and is on its own ring.
func (p *parts) announce(ctx context.Context, public, peer string) {
	for {
		changed := p.changed.Wait()
		if p.keeper.Lease() != nil && slices.Contains(p.placement.Takers(), p.o.Name) {
			a := Addresses{Node: p.o.Name, Public: public, Peer: peer, Gossip: p.gossip.Addr()}
			p.o.Log.Info("ready", "node", a.Node, "listen", a.Public, "peer", a.Peer, "gossip", a.Gossip)
			p.o.Ready(a)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

// drain gives everything up in good order: no more taking, sessions one after the other,
// the edge meanwhile forwarding, the lease last (rule 6).
func (p *parts) drain() {
	p.o.Log.Info("draining", "node", p.o.Name)
	ctx, cancel := context.WithTimeout(context.Background(), p.o.DrainTimeout)
	defer cancel()
	alone := len(p.placement.Takers()) < 2
	begun := time.Now()
	p.leaser.Drain(ctx)
	if left := p.keeper.Drain(ctx, p.drainRate()); left > 0 {
		p.o.Log.Error("drain timeout: sessions are cut off", "sessions", left)
	}
	if alone {
		return // nobody who could serve instead: nothing to wait for
	}
	// /readyz says 503 since begun. Until a load balancer has looked, requests still come.
	select {
	case <-time.After(p.o.DrainGrace - time.Since(begun)):
	case <-ctx.Done():
	}
}

// drainRate is sessions handed over a second: as many as the others start, but all of them
// within two thirds of the drain timeout.
func (p *parts) drainRate() int {
	if p.o.StartRate == 0 {
		return 0
	}
	return max(p.o.StartRate, int(float64(p.keeper.count())/(p.o.DrainTimeout.Seconds()*2/3))+1)
}

// advertised is the address under which others reach a listener: as configured, else what it
// is bound to; where that is all addresses, this machine's private one, which gossip takes too.
func advertised(configured string, l net.Listener) (string, error) {
	if configured != "" {
		return configured, nil
	}
	bound, ok := l.Addr().(*net.TCPAddr)
	if !ok || !bound.IP.IsUnspecified() {
		return l.Addr().String(), nil
	}
	ip, err := sockaddr.GetPrivateIP()
	if err != nil || ip == "" {
		return "", fmt.Errorf("this machine has no private address to advertise for %s: give --peer-advertise (%v)", l.Addr(), err)
	}
	return net.JoinHostPort(ip, strconv.Itoa(bound.Port)), nil
}

// persist calls try until it succeeds or ctx ends, and meanwhile says why nothing goes on. It returns what
// no waiting cures at once.
func persist(ctx context.Context, why *reason, log *slog.Logger, every time.Duration, try func(context.Context) error) error {
	for n := 0; ; n++ {
		err := try(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if config := (ConfigError{}); errors.As(err, &config) {
			return err
		}
		if why.Set(err) || n%10 == 0 {
			log.Error("this node waits, trying on", "err", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(every):
		}
	}
}
