package faults

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"session-manager/bench/cluster"
	"session-manager/bench/ports"
)

const (
	fewFiles    = 256 // that the first node may open
	beyond      = 64  // connections more than that
	dialLimit   = 2 * time.Second
	sampleEvery = 100 * time.Millisecond
	memoryMore  = 80      // MB
	declared    = 1 << 20 // bytes, of which one comes
)

// fewDescriptors lets the first node open few files.
func fewDescriptors(_ Options, c *cluster.Options) error {
	c.Place = func(name string) (cluster.Place, error) {
		if name != "node1" {
			return cluster.Place{}, nil
		}
		return cluster.Place{Enter: []string{"sh", "-c", fmt.Sprintf(`ulimit -n %d && exec "$@"`, fewFiles), "sh"}}, nil
	}
	return nil
}

// descriptors opens more connections to a node than it may open files, at each of its ports in turn. Its
// clientes notice nothing, and it answers again when they are gone.
func descriptors(ctx context.Context, w *world, r *Result) error {
	l := w.startLoad(w.o.Rate)
	defer l.end()
	if err := sleep(ctx, warmUp); err != nil {
		return err
	}
	n := w.Node("node1")
	begun := time.Now()
	targets := []string{n.URL(), n.PeerURL(), "http://" + n.GossipAddr()}
	var late []time.Duration
	for _, url := range targets {
		held, err := hold(ctx, strings.TrimPrefix(url, "http://"), fewFiles+beyond, "")
		if err != nil {
			return err
		}
		slept := sleep(ctx, w.o.For/time.Duration(len(targets)))
		held.close()
		if slept != nil {
			return slept
		}
		freed := time.Now()
		waiting, cancel := context.WithTimeoutCause(ctx, returnWait, fmt.Errorf("waited %v", returnWait))
		err = cluster.Await(waiting, n.Name()+" to answer", func(ctx context.Context) (bool, string, error) {
			if !n.Running() {
				return false, "", fmt.Errorf("%s has ended: %s", n.Name(), lastWords(n))
			}
			return ready(ctx, n.URL()), "not ready", nil
		})
		cancel()
		if err != nil {
			return err
		}
		late = append(late, time.Since(freed))
	}
	r.spread("answers again", late, 0, 0, 5*time.Second)
	r.atMost("extra logins", float64(len(w.watch.logins(begun, time.Now()))), "", 0)
	r.atMost("sessions lost", float64(len(w.watch.gaps(w.clientes, begun, time.Now()))), "", 0)
	return w.finish(ctx, r, l, -1, -1, 0)
}

// memory opens very many connections that declare a megabyte each and send one byte, at each port of a node
// that asks callers for keys, and shows none. The node stands beside the cluster, by itself.
func memory(ctx context.Context, w *world, r *Result) error {
	trusted, err := ports.Keep(ports.Loopback)
	if err != nil {
		return err
	}
	defer trusted.Close()
	file := filepath.Join(w.Dir(), "keys")
	out, err := exec.CommandContext(ctx, filepath.Join(w.o.BinDir, "session-manager"), "keys", "make", "--file", file, "--name", "somebody", "--clientes", "51").CombinedOutput()
	if err != nil {
		return fmt.Errorf("keys make: %w: %s", err, out)
	}
	alone, err := cluster.Start(ctx, cluster.Options{Nodes: 1, Embedded: true, BinDir: w.o.BinDir, Dir: filepath.Join(w.Dir(), "alone"),
		NodeArgs: []string{"--api-keys-file", file, "--trusted-listen", trusted.Address()}})
	if err != nil {
		return err
	}
	n := alone.Nodes()[0]
	for _, port := range []struct{ name, addr string }{
		{"public", strings.TrimPrefix(n.URL(), "http://")}, {"trusted", trusted.Address()}, {"peer", strings.TrimPrefix(n.PeerURL(), "http://")},
	} {
		more, taken, err := memoryOf(ctx, n, port.addr, w.o.Many, w.o.For)
		if err != nil {
			return errors.Join(fmt.Errorf("%s port: %w", port.name, err), alone.Close())
		}
		r.tell(port.name+" port, connections", float64(taken), "")
		r.atMost(port.name+" port, memory more", more, "MB", memoryMore)
	}
	if err := alone.Close(); err != nil {
		return err
	}
	l := w.startLoad(w.o.Rate)
	defer l.end()
	return w.finish(ctx, r, l, 0, -1, 0)
}

// memoryOf returns by how much a node grows, in MB, while so many callers begin a large request.
func memoryOf(ctx context.Context, n *cluster.Node, addr string, many int, d time.Duration) (more float64, taken int, err error) {
	before, err := resident(n.PID())
	if err != nil {
		return 0, 0, err
	}
	request := fmt.Sprintf("POST /send HTTP/1.1\r\nHost: %s\r\nX-Cliente-Id: 51\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n{", addr, declared)
	held, err := hold(ctx, addr, many, request)
	if err != nil {
		return 0, 0, err
	}
	defer held.close()
	most := before
	for end := time.Now().Add(d); time.Now().Before(end); {
		now, err := resident(n.PID())
		if err != nil {
			return 0, 0, fmt.Errorf("%w: %s", err, lastWords(n))
		}
		most = max(most, now)
		if err := sleep(ctx, sampleEvery); err != nil {
			return 0, 0, err
		}
	}
	return most - before, len(held.conns), nil
}

// connections that are held open.
type connections struct {
	mu    sync.Mutex // guards conns
	conns []net.Conn
}

// hold opens so many connections, and says the same on each. Some may not be taken.
func hold(ctx context.Context, addr string, many int, say string) (*connections, error) {
	h := &connections{}
	var g errgroup.Group
	g.SetLimit(32)
	for range many {
		g.Go(func() error {
			dialing, cancel := context.WithTimeout(ctx, dialLimit)
			defer cancel()
			c, err := new(net.Dialer).DialContext(dialing, "tcp", addr)
			if err != nil {
				return nil // refused: as good as anything that keeps the node alive
			}
			_, _ = c.Write([]byte(say)) // it may hang up
			h.mu.Lock()
			defer h.mu.Unlock()
			h.conns = append(h.conns, c)
			return nil
		})
	}
	_ = g.Wait() // returns none
	if len(h.conns) == 0 {
		return nil, fmt.Errorf("nobody listens at %s", addr)
	}
	return h, ctx.Err()
}

func (h *connections) close() {
	for _, c := range h.conns {
		_ = c.Close() // it was only held
	}
}
