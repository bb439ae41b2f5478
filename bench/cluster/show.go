package cluster

import (
	"context"
	"fmt"
	"io"
	"sync"
)

// Show writes where everything is, a line each: what is up, its address, its process.
func (c *Cluster) Show(w io.Writer) {
	line := func(name, where string, p *Process) {
		fmt.Fprintf(w, "    %-9s %s  pid %d\n", name, where, p.PID())
	}
	for _, n := range c.Nodes() {
		if n.Running() {
			line(n.Name(), n.URL()+"  (console; /cluster, /metrics)", n.Process)
		}
	}
	if c.EmulatorProcess != nil {
		line("emulator", c.EmulatorURL()+"  (/events, /stats, /devices)", c.EmulatorProcess)
	}
	for _, e := range c.Etcd {
		line(e.Name(), "http://"+e.Endpoint(), e.Process)
	}
	fmt.Fprintf(w, "    %-9s %s\n    %-9s %s\n", "store", c.Store.URL(), "logs", c.Dir())
}

// Tell writes a line for each node that ends, until ctx ends: whoever tries things out may
// have killed it, or may wonder.
func (c *Cluster) Tell(ctx context.Context, w io.Writer) {
	var waiting sync.WaitGroup
	for _, n := range c.Nodes() {
		waiting.Go(func() {
			if code, err := n.Wait(ctx); err == nil {
				fmt.Fprintf(w, "%s has ended with code %d; its log is %s\n", n.Name(), code, n.LogPath())
			}
		})
	}
	<-ctx.Done()
	waiting.Wait()
}
