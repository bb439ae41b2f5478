package faults

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"session-manager/bench/cluster"
)

// As deploy/haproxy.cfg has it: a node is looked at every 500 ms, leaves after two bad looks
// and comes back after one good.
const (
	lookEvery = 500 * time.Millisecond
	fall      = 2
)

// balancer stands for the load balancer: requests go around the nodes whose /readyz is good, and
// one that could not be connected goes to the next.
type balancer struct {
	client  atomic.Pointer[cluster.Client]
	cluster *cluster.Cluster
	looks   sync.WaitGroup
	stop    context.CancelFunc

	mu    sync.Mutex // guards what follows
	state map[*cluster.Node]*health
}

type health struct {
	looked bool // a look is under way
	bad    int  // looks in a row
}

func balance(c *cluster.Cluster) *balancer {
	ctx, stop := context.WithCancel(context.Background())
	b := &balancer{cluster: c, stop: stop, state: make(map[*cluster.Node]*health)}
	b.client.Store(c.Client())
	b.looks.Go(func() {
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			b.look(ctx)
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	return b
}

func (b *balancer) close() {
	b.stop()
	b.looks.Wait()
}

// Client goes around the nodes that are good now.
func (b *balancer) Client() *cluster.Client { return b.client.Load() }

// look asks all nodes at once; the next round does not wait for one that does not answer.
func (b *balancer) look(ctx context.Context) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.cluster.Nodes() {
		h := b.state[n]
		if h == nil {
			h = &health{bad: fall} // not in before the first good look
			b.state[n] = h
		}
		if h.looked || n.URL() == "http://" {
			continue
		}
		h.looked = true
		b.looks.Go(func() {
			ok := ready(ctx, n.URL())
			b.mu.Lock()
			defer b.mu.Unlock()
			h.looked = false
			before := h.bad >= fall
			if h.bad++; ok {
				h.bad = 0
			}
			if before != (h.bad >= fall) {
				b.rebuildLocked()
			}
		})
	}
}

// rebuildLocked puts the good nodes in. While there is none it leaves those before: a balancer
// without servers would answer 503, and so do they.
func (b *balancer) rebuildLocked() {
	var bases []string
	for _, n := range b.cluster.Nodes() {
		if h := b.state[n]; h != nil && h.bad < fall {
			bases = append(bases, n.URL())
		}
	}
	if len(bases) > 0 {
		b.client.Store(cluster.NewClient(bases...))
	}
}

// looker has no connections that stand: a cut one would make every further look wait.
var looker = &http.Client{Timeout: lookEvery, Transport: &http.Transport{DisableKeepAlives: true}}

func ready(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := looker.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}
