package faults

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"session-manager/bench/cluster"
	"session-manager/node/ownership"
)

// aCut is a node that was cut off and healed, and what was seen meanwhile.
type aCut struct {
	victim    *cluster.Node
	its       []ownership.Cliente
	at, until time.Time
	leaseEnd  time.Time // by etcd; zero: it has not ended
	stopped   time.Time // when the node says that nothing runs on its lease; zero: never
}

// cutting cuts the busiest node off by the rules, for as long as is asked, and heals it. judge
// tells what is special to the cut, and overlaps is that of check.
func cutting(ctx context.Context, w *world, r *Result, overlaps int, rules func(*cluster.Node) (out, in []string), judge func(*aCut)) error {
	l := w.startLoad(w.o.Rate)
	defer l.end()
	if err := sleep(ctx, warmUp); err != nil {
		return err
	}
	victim, its, err := w.busiest(ctx)
	if err != nil {
		return err
	}
	lease, err := watchLease(w.Etcd[0].Endpoint(), victim.Name())
	if err != nil {
		return err
	}
	defer lease.close()
	mark := len(victim.Log())
	c := &aCut{victim: victim, its: its, at: time.Now()}
	out, in := rules(victim)
	if err := w.network.drop(ctx, victim.Name(), out, in); err != nil {
		return err
	}
	w.o.say("%s with %d clientes is cut off", victim.Name(), len(its))
	cut := sleep(ctx, w.o.For)
	c.until = time.Now()
	if err := w.network.heal(context.WithoutCancel(ctx), victim.Name()); err != nil {
		return err
	}
	if cut != nil {
		return cut
	}
	c.leaseEnd = lease.ended()
	c.stopped = loggedAt(victim.Log()[mark:], "nothing runs on the lease any more")
	if err := w.back(ctx, victim, r); err != nil {
		return err
	}
	moved := len(w.watch.moved(its, c.at, c.until))
	r.tell("its clientes", float64(len(its)), "")
	r.tell("of these logged in elsewhere", float64(moved), "")
	judge(c)
	r.Notes = append(r.Notes, "cut "+c.at.Format("15:04:05.000")+", healed "+c.until.Format("15:04:05.000"))
	r.noteAll(victim.Name()+": %s", warnings(victim.Log()[mark:]))
	return w.finish(ctx, r, l, -1, -1, overlaps)
}

// moved is how long after the cut clientes logged in elsewhere, where they did before it healed.
func (w *watch) moved(clientes []ownership.Cliente, from, to time.Time) (after []time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range clientes {
		for _, m := range w.moments[cluster.NumberOf(c)] {
			if m.login && m.at.After(from) && m.at.Before(to) {
				after = append(after, m.at.Sub(from))
				break
			}
		}
	}
	return after
}

// loggedAt is when a text was logged first; zero: never.
func loggedAt(log, text string) time.Time {
	for line := range strings.Lines(log) {
		if !strings.Contains(line, text) {
			continue
		}
		first, _, _ := strings.Cut(strings.TrimPrefix(line, "time="), " ")
		if at, err := time.Parse(time.RFC3339Nano, first); err == nil {
			return at
		}
	}
	return time.Time{}
}

// warnings are the log's lines that somebody should read.
func warnings(log string) (lines []string) {
	for line := range strings.Lines(log) {
		if strings.Contains(line, "level=ERROR") || strings.Contains(line, "nothing runs on the lease") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// tcp are the rules for what goes to an address and comes from it.
func tcp(address string) (out, in []string) {
	host, port, _ := net.SplitHostPort(address)
	return []string{fmt.Sprintf("ip daddr %s tcp dport %s drop", host, port)}, []string{fmt.Sprintf("ip saddr %s tcp sport %s drop", host, port)}
}

func (w *world) etcdAddress() string { return w.Etcd[0].Endpoint() }

func hostOf(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return ""
	}
	return u.Host
}

// isolate leaves a node nothing. The emulator cannot see that its sockets are closed, so they
// overlap there; that nobody uses them is in the node's log alone.
func isolate(ctx context.Context, w *world, r *Result) error {
	all := func(*cluster.Node) (out, in []string) {
		return []string{`oifname "lo" accept`, "drop"}, []string{`iifname "lo" accept`, "drop"}
	}
	return cutting(ctx, w, r, -1, all, func(c *aCut) {
		r.tell("lease end after", msSince(c.leaseEnd, c.at), "ms")
		var late []time.Duration
		for _, after := range w.watch.moved(c.its, c.at, c.until) {
			late = append(late, c.at.Add(after).Sub(c.leaseEnd))
		}
		r.spread("login after the lease's end", late, 0, 2*time.Second, 0)
		r.atMost("stopped by itself after the lease's end", msSince(c.stopped, c.leaseEnd), "ms", 0)
		r.atMost("not taken over", float64(len(c.its)-len(late)), "", 0)
	})
}

func cutEtcd(ctx context.Context, w *world, r *Result) error {
	return cutting(ctx, w, r, 0, func(*cluster.Node) (out, in []string) { return tcp(w.etcdAddress()) }, w.ridden(r, 2500*time.Millisecond))
}

func cutEtcdOut(ctx context.Context, w *world, r *Result) error {
	return cutting(ctx, w, r, 0, func(*cluster.Node) (out, in []string) { out, _ = tcp(w.etcdAddress()); return out, nil }, w.ridden(r, 2500*time.Millisecond))
}

func cutEtcdIn(ctx context.Context, w *world, r *Result) error {
	return cutting(ctx, w, r, 0, func(*cluster.Node) (out, in []string) { _, in = tcp(w.etcdAddress()); return nil, in }, w.ridden(r, 2500*time.Millisecond))
}

func cutEtcdStore(ctx context.Context, w *world, r *Result) error {
	judge := w.ridden(r, 5*time.Second)
	return cutting(ctx, w, r, 0, func(*cluster.Node) (out, in []string) {
		out, in = tcp(w.etcdAddress())
		storeOut, storeIn := tcp(hostOf(w.Store.URL()))
		return append(out, storeOut...), append(in, storeIn...)
	}, func(c *aCut) {
		judge(c)
		r.tell("lease end after", msSince(c.leaseEnd, c.at), "ms")
		r.atMost("stopped by itself after the lease's end", msSince(c.stopped, c.leaseEnd), "ms", 0)
	})
}

func cutStore(ctx context.Context, w *world, r *Result) error {
	return cutting(ctx, w, r, 0, func(*cluster.Node) (out, in []string) { return tcp(hostOf(w.Store.URL())) }, w.ridden(r, 0))
}

// cutWhatsApp leaves sockets of which the other side cannot see the end: they overlap there, as in
// isolate.
func cutWhatsApp(ctx context.Context, w *world, r *Result) error {
	return cutting(ctx, w, r, -1, func(*cluster.Node) (out, in []string) { return tcp(hostOf(w.EmulatorURL())) }, w.ridden(r, 0))
}

func cutPeers(ctx context.Context, w *world, r *Result) error {
	return cutting(ctx, w, r, 0, func(n *cluster.Node) (out, in []string) {
		others := w.network.others(n.Name())
		return []string{"ip daddr " + others + " drop"}, []string{"ip saddr " + others + " drop"}
	}, w.ridden(r, 0))
}

// ridden tells the gaps of the cut node's clientes, and holds them against a bar; 0 is none.
func (w *world) ridden(r *Result, p99 time.Duration) func(*aCut) {
	return func(c *aCut) {
		gaps := w.watch.gaps(c.its, c.at, time.Now())
		if len(gaps) == 0 {
			p99 = 0 // nobody lost a socket: there is no gap to hold against it
		}
		r.spread("gap", gaps, 0, p99, 0)
		others := w.watch.gaps(without(w.clientes, c.its), c.at, time.Now())
		r.atMost("gaps of other nodes' clientes", float64(len(others)), "", 0)
	}
}
