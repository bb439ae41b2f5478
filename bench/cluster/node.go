package cluster

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
)

// Node is one session-manager. Restart comes back with its name, addresses and data.
type Node struct {
	*Process

	mu    sync.Mutex // guards ready
	ready map[string]string
}

// URL is the base URL of the public HTTP.
func (n *Node) URL() string { return "http://" + n.word("listen") }

// PeerURL is the base URL of the node-to-node HTTP.
func (n *Node) PeerURL() string { return "http://" + n.word("peer") }

// GossipAddr is memberlist's, host:port.
func (n *Node) GossipAddr() string { return n.word("gossip") }

// word is one of the ready line's; "" before the first start.
func (n *Node) word(key string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ready[key]
}

// Client talks to this node and no other.
func (n *Node) Client() *Client { return NewClient(n.URL()) }

// newNode books the next node: node1, node2, ...
func (c *Cluster) newNode() (*Node, error) {
	c.mu.Lock()
	name := fmt.Sprintf("node%d", len(c.nodes)+1)
	c.mu.Unlock()
	place, err := c.o.place(name)
	if err != nil {
		return nil, err
	}
	args := []string{"serve", "--node-name", name, "--data", filepath.Join(c.dir, name), "--store", c.Store.URL()}
	for _, flag := range []string{"--listen", "--peer-listen", "--gossip-listen"} {
		addr, err := c.freeAddr(place.Host)
		if err != nil {
			return nil, err
		}
		args = append(args, flag, addr)
	}
	if !c.o.Embedded {
		args = append(args, "--etcd", c.endpoints())
	}
	if c.o.Emulator {
		args = append(args, "--whatsapp-endpoint", c.about.Endpoint, "--whatsapp-root-key", c.about.RootKey)
	}
	n := &Node{}
	p, err := c.newProcess(name, place, nodeProgram, append(args, c.o.NodeArgs...), n.isReady)
	if err != nil {
		return nil, err
	}
	if c.o.Program != "" {
		p.Use(c.o.Program)
	}
	n.Process = p
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes = append(c.nodes, n)
	return n, nil
}

func (n *Node) isReady(_ context.Context, out string) (bool, error) {
	words, ok := readyLine(out)
	if !ok {
		return false, nil
	}
	for _, key := range []string{"listen", "peer", "gossip", "node"} {
		if words[key] == "" {
			return false, fmt.Errorf("start %s: its ready line lacks %s=", n.name, key)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ready = words
	return true, nil
}
