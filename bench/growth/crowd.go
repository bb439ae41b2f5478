package growth

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"session-manager/bench/cluster"
	"session-manager/bench/load"
	"session-manager/bench/measure"
	"session-manager/bench/report"
	"session-manager/bench/sessions"
	"session-manager/node/ownership"
)

const (
	crowdNodes = 3
	crowdLimit = 10 * time.Minute // for the sessions of one more crowd to be READY
	crowdLook  = 200 * time.Millisecond
	crowdRest  = 2 * time.Second // after it: what the logins left to do
)

// crowds grows the clientes of one cluster, and tells at each size what they take.
func (s *Scale) crowds(ctx context.Context, env measure.Env, into *report.Scenario) (err error) {
	c, err := cluster.Start(ctx, cluster.Options{
		Nodes: crowdNodes, BinDir: env.BinDir, Dir: filepath.Join(env.Dir, "crowds"), Store: cluster.Postgres, Emulator: true, FewPrekeys: true, Log: env.Log,
		NodeArgs: []string{"--start-rate", "0"}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	memory, status := report.Series{Name: "memory of a node"}, report.Series{Name: "status, median"}
	have := 0
	for i, n := range s.Crowds {
		env.Step(len(s.Nodes)+i, len(s.Nodes)+len(s.Crowds), fmt.Sprintf("%d clientes", n))
		if err := sessions.Seed(ctx, c.Emulator, c.Store.URL(), ownership.Cliente(have+1), n-have); err != nil {
			return err
		}
		have = n
		crowd, err := s.crowd(ctx, c, n)
		if err != nil {
			return fmt.Errorf("%d clientes: %w", n, err)
		}
		prefix := fmt.Sprintf("%d clientes of %d nodes: ", n, crowdNodes)
		into.Tell(prefix+"nodes that own some", "", float64(crowd.owners))
		into.Tell(prefix+"most of one node, of the mean", "x", crowd.fullest)
		into.Tell(prefix+"keys of etcd", "", float64(crowd.keys))
		into.Tell(prefix+"memory of a node", "MB", crowd.memory)
		into.Tell(prefix+"status at any node, one after the other, median", "us", crowd.status)
		memory.X, memory.Y = append(memory.X, float64(n)), append(memory.Y, crowd.memory)
		status.X, status.Y = append(status.X, float64(n)), append(status.Y, crowd.status)
	}
	into.Plots = append(into.Plots,
		report.Plot{File: "scale-memory.svg", Title: "Memory of one of three nodes", X: "clientes", Y: "MB", LogX: true, Series: []report.Series{memory}},
		report.Plot{File: "scale-clientes.svg", Title: "Time of a status, asked one after the other", X: "clientes", Y: "µs", LogX: true, Series: []report.Series{status}})
	_, err = c.Clean(ctx)
	return err
}

// crowd is what so many clientes take.
type crowd struct {
	owners, keys            int
	fullest, memory, status float64 // of the mean; MB; µs
}

func (s *Scale) crowd(ctx context.Context, c *cluster.Cluster, n int) (w crowd, err error) {
	info, err := connected(ctx, c, n)
	if err != nil {
		return w, err
	}
	var addresses []string
	for _, node := range info.Nodes {
		if node.Owned > 0 {
			w.owners++
		}
		w.fullest = max(w.fullest, float64(node.Owned)*crowdNodes/float64(n))
	}
	for _, node := range c.Nodes() {
		resident, err := measure.Resident(node.PID())
		if err != nil {
			return w, err
		}
		w.memory += float64(resident) / 1e6 / crowdNodes
		addresses = append(addresses, strings.TrimPrefix(node.URL(), "http://"))
	}
	if w.keys, err = keys(ctx, c.Etcd[0].Endpoint()); err != nil {
		return w, err
	}
	// One at a time at each node: the time of a status, not of a queue for it.
	for i := range addresses {
		r, err := load.Run(ctx, load.Options{Addresses: addresses[i : i+1], Connections: 1, For: s.For / crowdNodes, Next: func(_, k int) []byte {
			return load.Request(http.MethodGet, "/status", nil, "X-Cliente-Id", fmt.Sprint(1+k*7919%n)) // a prime: all over
		}})
		if err = errors.Join(err, r.Clean()); err != nil {
			return w, err
		}
		w.status += float64(r.Quantile(0.5).Nanoseconds()) / 1e3 / crowdNodes
	}
	return w, nil
}

// connected waits until all sessions are connected, and what their logins left to do is done.
func connected(ctx context.Context, c *cluster.Cluster, n int) (info cluster.Info, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, crowdLimit, fmt.Errorf("not within %v", crowdLimit))
	defer cancel()
	for {
		stats, err := c.Emulator.Stats(ctx)
		if err != nil {
			return info, err
		}
		if info, err = c.Client().ClusterInfo(ctx); err != nil {
			return info, err
		}
		owned := 0
		for _, node := range info.Nodes {
			owned += node.Owned
		}
		if owned == n && int(stats.Connected) == n {
			return info, wait(ctx, crowdRest)
		}
		if err := wait(ctx, crowdLook); err != nil {
			return info, fmt.Errorf("%d owned, %d connected: %w", owned, stats.Connected, err)
		}
	}
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// keys counts all that etcd has, by its HTTP gateway.
func keys(ctx context.Context, endpoint string) (int, error) {
	all := base64.StdEncoding.EncodeToString([]byte{0}) // from the first key to the last
	body := fmt.Sprintf(`{"key":%q,"range_end":%q,"count_only":true}`, all, all)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+endpoint+"/v3/kv/range", bytes.NewReader([]byte(body)))
	if err != nil {
		return 0, err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var out struct {
		Count int `json:"count,string"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		return 0, fmt.Errorf("%s: %w", resp.Status, err)
	}
	return out.Count, nil
}
