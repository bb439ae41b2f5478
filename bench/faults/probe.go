package faults

import (
	"context"
	"sync"
	"time"

	"session-manager/bench/cluster"
	"session-manager/node/ownership"
)

// probeEvery is the pause between two questions of a caller that the fault does not concern.
const probeEvery = 50 * time.Millisecond

// probe asks for the state of clientes, one after the other, as their callers do.
type probe struct {
	stop context.CancelFunc
	done sync.WaitGroup

	mu     sync.Mutex // guards what follows
	waits  []time.Duration
	failed int
}

// probe asks the nodes that client gives.
func (w *world) probe(of []ownership.Cliente, client func() *cluster.Client) *probe {
	ctx, stop := context.WithCancel(context.Background())
	p := &probe{stop: stop}
	p.done.Go(func() {
		for n := 0; sleep(ctx, probeEvery) == nil; n++ {
			c := of[n%len(of)]
			p.done.Go(func() {
				begun := time.Now()
				_, err := client().Status(context.WithoutCancel(ctx), c)
				p.mu.Lock()
				defer p.mu.Unlock()
				p.waits = append(p.waits, time.Since(begun))
				if err != nil {
					p.failed++
				}
			})
		}
	})
	return p
}

// since returns what was answered since the last call, and how many were not.
func (p *probe) since() (waits []time.Duration, failed int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	waits, failed = p.waits, p.failed
	p.waits, p.failed = nil, 0
	return waits, failed
}

func (p *probe) end() {
	p.stop()
	p.done.Wait()
}
