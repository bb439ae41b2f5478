package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"session-manager/bench/emulator"
	"session-manager/bench/ports"
)

// startTimeout bounds the start of one process on a busy machine.
const startTimeout = 30 * time.Second

var errClosed = errors.New("cluster is closed")

// Cluster is what Start started.
type Cluster struct {
	// Emulator controls the emulator; nil without one.
	Emulator *emulator.Control
	// EmulatorProcess is the emulator's own process: it keeps everything in memory, so that
	// a restart forgets all phones.
	EmulatorProcess *Process
	// Etcd are etcd's members; none where it is embedded.
	Etcd []*Etcd
	// Store is the credential store.
	Store *Store

	o     Options
	dir   string
	own   bool // dir goes at Close
	about emulator.About

	mu        sync.Mutex // guards what follows
	nodes     []*Node    // in the order of their names
	processes []*Process // every one, in the order of their start
	ports     []*ports.Port
	closed    bool
}

// Start starts etcd, the store and the emulator, then all nodes at once, and returns when
// every one of them is ready. On an error nothing is left running.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	c := &Cluster{o: o, dir: o.Dir}
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context) error {
	if c.dir == "" {
		dir, err := os.MkdirTemp("", "cluster-")
		if err != nil {
			return err
		}
		c.dir, c.own = dir, true
	}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return err
	}
	steps := []func(context.Context) error{c.startStore}
	if !c.o.Embedded {
		steps = append(steps, c.startEtcd)
	}
	if c.o.Emulator {
		steps = append(steps, c.startEmulator)
	}
	if err := together(ctx, steps...); err != nil {
		return err
	}
	steps = nil
	for range c.o.Nodes {
		n, err := c.newNode()
		if err != nil {
			return err
		}
		steps = append(steps, n.Start)
	}
	return together(ctx, steps...)
}

// together runs steps at once, each within startTimeout, and joins their errors.
func together(ctx context.Context, steps ...func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("waited %v", startTimeout))
	defer cancel()
	errs := make([]error, len(steps))
	var wg sync.WaitGroup
	for i, step := range steps {
		wg.Go(func() { errs[i] = step(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// freeAddr is an address of the host with a port that nobody else gets until Close: a process
// that is down for a restart finds it as it left it. The port is kept on this machine's loopback,
// where the host may not be.
func (c *Cluster) freeAddr(host string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return "", errClosed
	}
	p, err := ports.Keep(ports.Loopback)
	if err != nil {
		return "", err
	}
	c.ports = append(c.ports, p)
	return net.JoinHostPort(host, strconv.Itoa(p.Number())), nil
}

// Dir is where data and logs are.
func (c *Cluster) Dir() string { return c.dir }

// Nodes are all nodes, running or not, in the order in which they were added.
func (c *Cluster) Nodes() []*Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.nodes)
}

// Node is the node of that name, nil where there is none.
func (c *Cluster) Node(name string) *Node {
	for _, n := range c.Nodes() {
		if n.Name() == name {
			return n
		}
	}
	return nil
}

// AddNode starts one more node and returns when it is ready.
func (c *Cluster) AddNode(ctx context.Context) (*Node, error) {
	n, err := c.newNode()
	if err != nil {
		return nil, err
	}
	return n, together(ctx, n.Start)
}

// newProcess books a process that Close is to end.
func (c *Cluster) newProcess(name string, at Place, program string, args []string, ready func(context.Context, string) (bool, error)) (*Process, error) {
	p := &Process{name: name, enter: at.Enter, path: filepath.Join(c.o.BinDir, program), args: args, log: filepath.Join(c.dir, name+".log"), ready: ready, trace: c.o.Log}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errClosed
	}
	c.processes = append(c.processes, p)
	return p, nil
}

// PIDs are those of all processes that run now, the store's server excepted.
func (c *Cluster) PIDs() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	var pids []int
	for _, p := range c.processes {
		if p.Running() {
			pids = append(pids, p.PID())
		}
	}
	return pids
}

// Close kills what still runs, waits for all of it and removes the directory that Start made.
// An error names what could not be ended or removed. It may be called again.
func (c *Cluster) Close() error {
	c.mu.Lock()
	c.closed = true
	processes, kept := slices.Clone(c.processes), c.ports
	c.ports = nil
	c.mu.Unlock()
	// Backwards: nodes before what they rely on, so that their logs end without complaints.
	var errs []error
	for _, p := range slices.Backward(processes) {
		p.Kill()
		if pid := p.PID(); pid != 0 && !groupGone(pid) {
			errs = append(errs, fmt.Errorf("%s left children in process group %d", p.name, pid))
		}
	}
	if c.Emulator != nil {
		c.Emulator.Close()
	}
	if c.Store != nil {
		c.Store.close()
	}
	for _, p := range kept {
		p.Close()
	}
	if c.own {
		errs = append(errs, os.RemoveAll(c.dir))
	}
	return errors.Join(errs...)
}

// Tails is the end of every node's log: what to show when a test fails.
func (c *Cluster) Tails() string {
	var text string
	for _, n := range c.Nodes() {
		text += n.Tail() + "\n"
	}
	return text
}
