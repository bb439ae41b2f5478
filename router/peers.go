package router

import (
	"fmt"
	"net"
	"sync"
	"time"
)

// peers are the connections to other nodes' peer ports, by address, so that those to a node which
// is gone can be ended: a host that was cut off, or a process that stands still, closes nothing,
// and requests that were sent to it would wait until their time is up.
type peers struct {
	mu    sync.Mutex // guards what follows
	conns map[string]map[*peerConn]bool
	down  map[string]time.Time // addresses to which no connection is had, and since when
}

type peerConn struct {
	net.Conn
	peers   *peers
	address string
}

// keep books a connection.
func (p *peers) keep(c net.Conn, address string) net.Conn {
	conn := &peerConn{Conn: c, peers: p, address: address}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns == nil {
		p.conns = make(map[string]map[*peerConn]bool)
	}
	if p.conns[address] == nil {
		p.conns[address] = make(map[*peerConn]bool)
	}
	p.conns[address][conn] = true
	return conn
}

// tried books whether a connection to the address was had.
func (p *peers) tried(address string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, down := p.down[address]
	switch {
	case err == nil:
		delete(p.down, address)
	case !down:
		if p.down == nil {
			p.down = make(map[string]time.Time)
		}
		p.down[address] = time.Now()
	}
}

// unreachable returns why waiting for the node at the address is in vain, nil where it is not: for longer
// than any failover takes this node has had no connection to it, and yet it owns its clientes.
func (p *peers) unreachable(address string, limit time.Duration) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	since, down := p.down[address]
	if !down || time.Since(since) < limit {
		return nil
	}
	return fmt.Errorf("this node has not reached the owner at %s for %s, and the owner still holds its lease: check the network between the two nodes",
		address, time.Since(since).Round(time.Second))
}

// Close ends the connection.
func (c *peerConn) Close() error {
	c.peers.mu.Lock()
	delete(c.peers.conns[c.address], c)
	if len(c.peers.conns[c.address]) == 0 {
		delete(c.peers.conns, c.address)
	}
	c.peers.mu.Unlock()
	return c.Conn.Close()
}

// Forsake ends the connections to a node that is gone. Requests that wait for it count as lost
// with their connection: what may be tried again goes to whoever owns the cliente now.
func (r *Router) Forsake(address string) {
	r.peers.mu.Lock()
	conns := r.peers.conns[address]
	delete(r.peers.conns, address)
	delete(r.peers.down, address)
	r.peers.mu.Unlock()
	for c := range conns {
		_ = c.Conn.Close()
	}
	if len(conns) > 0 {
		r.log.Warn("connections to a node that is gone were ended", "peer", address, "connections", len(conns))
	}
}
