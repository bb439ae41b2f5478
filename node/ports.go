package node

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"session-manager/node/certificate"
	"session-manager/node/entrance"
	"session-manager/router"
)

// ports are what a node listens on for HTTP.
type ports struct {
	public, peer net.Listener
	trusted      net.Listener // nil: none
	profile      net.Listener // nil: none
}

// listen opens the ports, with TLS on those that have a certificate. The trusted one has none:
// it is for loopback, and for networks that need none.
func listen(o Options, d descriptors, m *entrance.Metrics) (p ports, err error) {
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	for _, port := range []struct {
		name, flag, address string
		on                  *net.Listener
		secure              *certificate.Certificate
		bounds              entrance.Bounds
	}{
		{"public", "listen", o.Listen, &p.public, o.TLS, o.bounds(d.public, o.TLS != nil)},
		{"trusted", "trusted-listen", o.TrustedListen, &p.trusted, nil, o.bounds(d.trusted, false)},
		{"peer", "peer-listen", o.PeerListen, &p.peer, o.PeerTLS, entrance.Bounds{Most: d.peers, Secret: o.PeerTLS != nil}},
		{"profile", "pprof-listen", o.ProfileListen, &p.profile, nil, entrance.Bounds{Most: d.profiles}},
	} {
		if port.address == "" {
			continue
		}
		l, err := net.Listen("tcp", port.address)
		if err != nil {
			return p, ConfigError{fmt.Errorf("--%s: %w", port.flag, err)}
		}
		l = entrance.Bound(l, port.name, port.bounds, m, o.Log)
		if port.secure != nil {
			l = tls.NewListener(l, port.secure.Server())
		}
		*port.on = l
	}
	return p, nil
}

func (p ports) close() {
	for _, l := range []net.Listener{p.public, p.trusted, p.peer, p.profile} {
		if l != nil {
			_ = l.Close()
		}
	}
}

// serve serves all ports until the router shuts down. A port that ends before is told to fail.
func (p ports) serve(r *router.Router, servers *sync.WaitGroup, fail func(error)) {
	for _, port := range []struct {
		on    net.Listener
		serve func(net.Listener) error
	}{{p.public, r.Serve}, {p.trusted, r.ServeTrusted}, {p.peer, r.ServePeer}} {
		if port.on == nil {
			continue
		}
		servers.Go(func() {
			if err := port.serve(port.on); err != nil {
				fail(fmt.Errorf("serve on %s: %w", port.on.Addr(), err))
			}
		})
	}
}

// certificatesInterval is how often the certificates are looked at.
const certificatesInterval = 2 * time.Second

// followCertificates notices renewals until ctx ends, and tells /metrics when a certificate ends.
func (o Options) followCertificates(ctx context.Context, servers *sync.WaitGroup, registry prometheus.Registerer) {
	for port, c := range map[string]*certificate.Certificate{"public": o.TLS, "peer": o.PeerTLS} {
		if c == nil {
			continue
		}
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "session_manager_certificate_expires_seconds", Help: "When the port's certificate ends, in seconds since 1970.",
			ConstLabels: prometheus.Labels{"port": port},
		}, func() float64 { return float64(c.Expires().Unix()) }))
		servers.Go(func() { c.Follow(ctx, certificatesInterval, o.Log) })
	}
}

// peerClient is the TLS of connections to other nodes; nil: plain.
func (o Options) peerClient() *tls.Config {
	if o.PeerTLS == nil {
		return nil
	}
	return o.PeerTLS.Client()
}

// origins are those that an operator has named, with the names that this node's own addresses have.
func (o Options) origins() router.Origins {
	hosts := slices.Clone(o.AllowedHosts)
	for _, address := range []string{o.Listen, o.TrustedListen, o.ProfileListen} {
		if name, _, err := net.SplitHostPort(address); err == nil && name != "" {
			hosts = append(hosts, name)
		}
	}
	return router.Origins{Hosts: hosts, Pages: o.CORSOrigins}
}
