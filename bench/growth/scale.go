package growth

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"session-manager/bench/cluster"
	"session-manager/bench/load"
	"session-manager/bench/measure"
	"session-manager/bench/report"
	"session-manager/node/ownership"
)

// Scale measures what a request costs in clusters of more and more nodes, on one machine: by the CPU
// of all nodes together, as their number of cores does not grow with them.
type Scale struct {
	Nodes       []int         `default:"1,2,4,8" help:"Sizes of the cluster."`
	Clientes    int           `default:"64" help:"Clientes of all nodes together."`
	Connections int           `default:"32" help:"Kept connections, spread over the nodes."`
	For         time.Duration `default:"3s" help:"How long each size is loaded in a round."`
	Texts       int           `default:"640" help:"Texts sent through any node, in a round."`
	Crowds      []int         `default:"100,300,1000,3000,10000" help:"Numbers of clientes of three nodes, one after the other."`
}

// Name is scale.
func (s *Scale) Name() string { return "scale" }

// About says what it measures.
func (s *Scale) About() string {
	return "CPU of all nodes together per status and per text, asked at any node, in clusters of more and more nodes; and what three nodes hold of more and more clientes."
}

// Params are its sizes.
func (s *Scale) Params() map[string]string {
	return map[string]string{"nodes": strings.Trim(fmt.Sprint(s.Nodes), "[]"), "clientes": fmt.Sprint(s.Clientes),
		"connections": fmt.Sprint(s.Connections), "for": s.For.String(), "texts": fmt.Sprint(s.Texts), "crowds": strings.Trim(fmt.Sprint(s.Crowds), "[]")}
}

const (
	pairAtOnce = 8
	friend     = "5491122220000" // a phone that is nobody's account
	startLimit = 3 * time.Minute
)

// Run measures.
func (s *Scale) Run(ctx context.Context, env measure.Env, into *report.Scenario) error {
	o := *s
	if env.Quick {
		o.Nodes, o.Clientes, o.For, o.Texts = []int{1, 3}, min(o.Clientes, 12), min(o.For, 500*time.Millisecond), min(o.Texts, 60)
		o.Crowds = []int{50, 150}
	}
	status := report.Series{Name: "GET /status"}
	text := report.Series{Name: "POST /send"}
	for i, nodes := range o.Nodes {
		env.Step(i, len(o.Nodes)+len(o.Crowds), fmt.Sprintf("%d nodes", nodes))
		perStatus, perText, err := o.size(ctx, env, nodes)
		if err != nil {
			return fmt.Errorf("%d nodes: %w", nodes, err)
		}
		into.Tell(fmt.Sprintf("%d nodes: CPU of a status, all nodes together", nodes), "us", perStatus...)
		into.Tell(fmt.Sprintf("%d nodes: CPU of a text, all nodes together", nodes), "us", perText...)
		status.X, status.Y = append(status.X, float64(nodes)), append(status.Y, report.Figure{Values: perStatus}.Median())
		text.X, text.Y = append(text.X, float64(nodes)), append(text.Y, report.Figure{Values: perText}.Median())
	}
	into.Plots = append(into.Plots,
		report.Plot{File: "scale-status.svg", Title: "CPU of a status, all nodes together", X: "nodes", Y: "µs", LogX: true, Series: []report.Series{status}},
		report.Plot{File: "scale-send.svg", Title: "CPU of a text, all nodes together", X: "nodes", Y: "µs", LogX: true, Series: []report.Series{text}})
	into.Notes = append(into.Notes, "With more nodes more requests take a hop: (n-1)/n of them, and a hop is a node's work too.")
	return o.crowds(ctx, env, into)
}

// size measures one size of the cluster: µs of CPU, a value a round.
func (s *Scale) size(ctx context.Context, env measure.Env, nodes int) (perStatus, perText []float64, err error) {
	c, err := cluster.Start(ctx, cluster.Options{
		Nodes: nodes, BinDir: env.BinDir, Dir: filepath.Join(env.Dir, fmt.Sprint("nodes", nodes)), Store: cluster.Postgres, Emulator: true, FewPrekeys: true, Log: env.Log})
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	clientes, err := s.fill(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	var addresses []string
	var pids []int
	for _, n := range c.Nodes() {
		addresses, pids = append(addresses, strings.TrimPrefix(n.URL(), "http://")), append(pids, n.PID())
	}
	requests := make([][]byte, len(clientes))
	for i, cliente := range clientes {
		requests[i] = load.Request("GET", "/status", nil, "X-Cliente-Id", cliente.String())
	}
	for round := range env.Rounds {
		spent, n, err := cost(pids, func() (int, error) {
			r, err := load.Run(ctx, load.Options{Addresses: addresses, Connections: s.Connections, For: s.For,
				Next: func(connection, n int) []byte { return requests[(connection*7+n)%len(requests)] }})
			if err != nil {
				return 0, err
			}
			return r.Good(), r.Clean()
		})
		if err != nil {
			return nil, nil, err
		}
		perStatus = append(perStatus, spent/float64(n))
		spent, n, err = cost(pids, func() (int, error) { return s.Texts, s.send(ctx, c, clientes, round) })
		if err != nil {
			return nil, nil, err
		}
		perText = append(perText, spent/float64(n))
	}
	_, err = c.Clean(ctx)
	return perStatus, perText, err
}

// fill pairs the clientes, once all nodes have one another on their rings.
func (s *Scale) fill(ctx context.Context, c *cluster.Cluster) ([]ownership.Cliente, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("not within %v", startLimit))
	defer cancel()
	for _, n := range c.Nodes() {
		for _, other := range c.Nodes() {
			if err := n.Client().WaitMember(ctx, other.Name(), true); err != nil {
				return nil, err
			}
		}
	}
	if _, err := c.Emulator.AddPhone(ctx, friend, "Friend"); err != nil {
		return nil, err
	}
	clientes := make([]ownership.Cliente, s.Clientes)
	g, pairing := errgroup.WithContext(ctx)
	g.SetLimit(pairAtOnce)
	for i := range clientes {
		clientes[i] = ownership.Cliente(100 + i)
		g.Go(func() error {
			_, err := c.Pair(pairing, clientes[i], cluster.NumberOf(clientes[i]))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return clientes, s.send(ctx, c, clientes, -1) // the first text of each knows nobody's keys yet
}

// send sends texts of all clientes, each through whichever node comes next.
func (s *Scale) send(ctx context.Context, c *cluster.Cluster, clientes []ownership.Cliente, round int) error {
	g, ctx := errgroup.WithContext(ctx)
	nodes := c.Nodes()
	for i, cliente := range clientes {
		g.Go(func() error {
			for n := i; n < s.Texts; n += len(clientes) {
				text := fmt.Sprintf("%s-%d-%d", cliente, round, n)
				if _, err := nodes[n%len(nodes)].Client().Send(ctx, cliente, cluster.Message{To: friend, Text: text, Key: text}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// cost is the CPU that processes spend on work, in µs, and how much of it was done.
func cost(pids []int, work func() (int, error)) (micros float64, done int, err error) {
	before, err := measure.CPU(pids...)
	if err != nil {
		return 0, 0, err
	}
	if done, err = work(); err != nil {
		return 0, 0, err
	}
	after, err := measure.CPU(pids...)
	return float64((after - before).Microseconds()), done, err
}
