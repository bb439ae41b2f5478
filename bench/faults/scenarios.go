package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"session-manager/bench/cluster"
	"session-manager/node/ownership"
)

const (
	warmUp     = 3 * time.Second  // of load before the fault, and after all is well again
	returnWait = 60 * time.Second // for a node to be back on every ring, or a session READY
)

// scenarios are the rows of what was promised, at their full sizes.
var scenarios = map[string]scenario{
	"crossing": {about: "nothing happens, and letters cross with answers", defaults: Options{Clientes: 6, Rate: 60}, run: crossing},
	"phones-forget": {about: "phones lose their Signal sessions again and again, and letters cross with answers",
		defaults: Options{Clientes: 8, Rate: 120}, run: phonesForget},
	"rolling":   {about: "each node in turn is stopped by SIGTERM and started again", run: rolling},
	"join":      {about: "a fourth node joins and takes its share", run: join},
	"move":      {about: "an operator moves clientes by hand", run: move},
	"kill":      {about: "the node with most clientes is killed", defaults: Options{Clientes: 900}, run: kill},
	"pause":     {about: "a node is stopped by SIGSTOP for a random time, again and again", defaults: Options{Clientes: 60, Rounds: 30}, run: pause},
	"etcd-stop": {about: "etcd is paused for longer than its leases", defaults: Options{Clientes: 60, For: 10 * time.Minute}, run: etcdStopped},
	"etcd-restart": {about: "etcd is killed, and comes back with its leases refreshed",
		defaults: Options{Clientes: 60, For: 10 * time.Minute}, run: etcdRestarted},
	"etcd-leader": {about: "etcd's leader is killed, one after the other",
		defaults: Options{Clientes: 60, Rounds: 6}, etcd: 3, run: leaderKilled},
	"postgres-restart": {about: "Postgres is stopped and started again", defaults: Options{For: 5 * time.Second}, run: postgresRestarted},
	"postgres-kill":    {about: "Postgres is killed and started again", defaults: Options{For: 5 * time.Second}, run: postgresKilled},
	"transaction-held": {about: "an owner is paused while a transaction of its holds a fence", defaults: Options{Clientes: 30, Rate: 10}, run: held},
	"herd": {about: "all nodes start at once with every session to restore", defaults: Options{Clientes: 1000, Start: 20},
		nodeArgs: func(o Options) []string { return []string{"--start-rate", fmt.Sprint(o.Start)} }, run: herd},
	"owner-silent": {about: "an owner is paused, killed or stopped while all of its clientes are asked for",
		defaults: Options{Clientes: 60, Rounds: 6}, run: ownerSilent},
	"poison": {about: "WhatsApp sends one cliente what crashes a node; then nodes are killed, again and again",
		defaults: Options{Clientes: 600, Rounds: 50}, run: poison},
	"refused-value": {about: "a stranger writes whose name and texts hold what the store refuses", defaults: Options{Clientes: 60}, run: refusedValue},
	"stream-errors": {about: "WhatsApp breaks each stream soon after its login", defaults: Options{Clientes: 60, For: time.Minute}, run: streamErrors},
	"disk-full": {about: "the disk of the store, an SQLite file, is full for a while", defaults: Options{Clientes: 30}, storeMB: 64,
		cluster: func(_ Options, c *cluster.Options) error { c.Store = cluster.SQLite; return nil }, run: diskFull},
	"disk-full-postgres": {about: "the disk of Postgres is full for a while", defaults: Options{Clientes: 60}, storeMB: 400, run: diskFull},
	"etcd-full": {about: "etcd's space is used up, and a node is killed", defaults: Options{Clientes: 60},
		cluster: func(_ Options, c *cluster.Options) error {
			c.EtcdArgs = []string{"--quota-backend-bytes", fmt.Sprint(etcdQuota)}
			return nil
		}, run: etcdFull},
	"one-key": {about: "one caller sends 9,000 messages at once to a cliente that waits", defaults: Options{Clientes: 30, Many: 9000}, run: oneKey},
	"unpaired-flood": {about: "somebody asks for thousands of clientes that nobody has paired",
		defaults: Options{Clientes: 30, Many: 3000, For: 6 * time.Minute}, run: unpairedFlood},
	"descriptors": {about: "more connections come to a node than it may open files", defaults: Options{Clientes: 30}, cluster: fewDescriptors, run: descriptors},
	"memory": {about: "thousands of callers without a key declare a megabyte each", defaults: Options{Clientes: 3, Rate: 10, Many: 2000, For: 6 * time.Second},
		run: memory},
	"isolate":        {about: "a node is cut off from everything", cuts: true, run: isolate},
	"cut-etcd":       {about: "a node is cut off from etcd alone", cuts: true, run: cutEtcd},
	"cut-etcd-out":   {about: "what a node says does not reach etcd", cuts: true, run: cutEtcdOut},
	"cut-etcd-in":    {about: "what etcd says does not reach a node", cuts: true, run: cutEtcdIn},
	"cut-etcd-store": {about: "a node is cut off from etcd and the store", cuts: true, run: cutEtcdStore},
	"cut-store":      {about: "a node is cut off from the store alone", cuts: true, run: cutStore},
	"cut-peers":      {about: "a node is cut off from the other nodes alone", cuts: true, run: cutPeers},
	"cut-whatsapp":   {about: "a node is cut off from WhatsApp alone", cuts: true, run: cutWhatsApp},
}

// sleep lets time go by.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// busiest is the node with most clientes, and these.
func (w *world) busiest(ctx context.Context) (*cluster.Node, []ownership.Cliente, error) {
	owned, err := w.ownedBy(ctx)
	if err != nil {
		return nil, nil, err
	}
	most := ""
	for _, name := range sortedKeys(owned) {
		if len(owned[name]) > len(owned[most]) {
			most = name
		}
	}
	n := w.Node(most)
	if n == nil {
		return nil, nil, fmt.Errorf("most clientes are owned by %q, which is no node of ours", most)
	}
	return n, owned[most], nil
}

// back waits until a node is on every ring again, and every session READY.
func (w *world) back(ctx context.Context, n *cluster.Node, r *Result) error {
	waiting, cancel := context.WithTimeoutCause(ctx, returnWait, fmt.Errorf("waited %v", returnWait))
	defer cancel()
	if err := w.everybodySees(waiting, n); err != nil {
		return err
	}
	w.ready(ctx, r)
	return nil
}

// ready tells of sessions that are not READY in time.
func (w *world) ready(ctx context.Context, r *Result) {
	not := w.allReady(ctx, returnWait)
	r.noteAll("not READY again: %s", not)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notReady += len(not)
}

// finish ends the load and checks everything.
func (w *world) finish(ctx context.Context, r *Result, l *load, failures int, worst time.Duration, overlaps int) error {
	if err := sleep(ctx, warmUp); err != nil {
		return err
	}
	l.end()
	l.sum(r, failures, worst)
	w.ready(ctx, r)
	r.atMost("sessions not READY again", float64(w.notReady), "", 0)
	return w.check(ctx, r, l, overlaps)
}

func rolling(ctx context.Context, w *world, r *Result) error {
	l := w.startLoad(w.o.Rate)
	defer l.end()
	if err := sleep(ctx, warmUp); err != nil {
		return err
	}
	begun, bad := time.Now(), 0
	for range w.o.Rounds {
		for _, n := range w.Nodes() {
			stopping := time.Now()
			ending, cancel := context.WithTimeout(ctx, returnWait)
			code, err := n.Terminate(ending)
			cancel()
			if err != nil {
				return err
			}
			w.o.say("%s ended with code %d after %v", n.Name(), code, time.Since(stopping).Round(time.Millisecond))
			if code != 0 {
				bad++
				r.Notes = append(r.Notes, fmt.Sprintf("%s ended with code %d\n%s", n.Name(), code, n.Tail()))
			}
			if err := n.Start(ctx); err != nil {
				return err
			}
			if err := w.back(ctx, n, r); err != nil {
				return err
			}
			// Before the next: whoever restarts nodes waits until the balancer has this one.
			if err := sleep(ctx, fall*lookEvery); err != nil {
				return err
			}
		}
	}
	r.atMost("exit codes other than 0", float64(bad), "", 0)
	r.spread("gap", w.watch.gaps(w.clientes, begun, time.Now()), 0, 0, 0)
	return w.finish(ctx, r, l, 0, 2*time.Second, 0)
}

func pause(ctx context.Context, w *world, r *Result) error {
	rng := rand.New(rand.NewPCG(w.o.Seed, 0))
	r.tell("seed", float64(w.o.Seed), "")
	l := w.startLoad(w.o.Rate)
	defer l.end()
	if err := sleep(ctx, warmUp); err != nil {
		return err
	}
	moved := 0
	var taken []time.Duration // from the pause to the login elsewhere
	for round := range w.o.Rounds {
		owned, err := w.ownedBy(ctx)
		if err != nil {
			return err
		}
		// An owner: a node that has lost its lease three times takes nothing for minutes, and to
		// pause it then would prove nothing.
		owners := slices.DeleteFunc(w.Nodes(), func(n *cluster.Node) bool { return len(owned[n.Name()]) == 0 })
		if len(owners) == 0 {
			return errors.New("no node owns anything")
		}
		victim := owners[rng.IntN(len(owners))]
		if err := sleep(ctx, time.Duration(rng.Int64N(int64(time.Second)))); err != nil {
			return err
		}
		d := w.o.PauseMin + time.Duration(rng.Int64N(int64(w.o.PauseMax-w.o.PauseMin)+1))
		w.o.say("round %d: %s, with %d clientes, is paused for %v", round+1, victim.Name(), len(owned[victim.Name()]), d.Round(time.Millisecond))
		paused := time.Now()
		if err := victim.Pause(); err != nil {
			return err
		}
		slept := sleep(ctx, d)
		resumed := time.Now()
		if err := victim.Resume(); err != nil {
			return err
		}
		if slept != nil {
			return slept
		}
		// Not its return to the ring: who has lost its lease three times takes nothing for minutes.
		waiting, cancel := context.WithTimeoutCause(ctx, returnWait, fmt.Errorf("waited %v", returnWait))
		err = cluster.Await(waiting, victim.Name()+" ready again", func(ctx context.Context) (bool, string, error) {
			return ready(ctx, victim.URL()), "not ready", nil
		})
		cancel()
		if err != nil {
			return err
		}
		w.ready(ctx, r)
		for _, c := range owned[victim.Name()] {
			soon, cancel := context.WithCancel(ctx)
			cancel() // what the log has by now
			if at, err := w.watch.loginAfter(soon, c, paused); err == nil && at.Before(resumed) {
				moved++
				taken = append(taken, at.Sub(paused))
			}
		}
		w.o.say("all READY %v after it went on", time.Since(resumed).Round(time.Millisecond))
	}
	r.tell("pauses", float64(w.o.Rounds), "")
	r.spread("takeover after a pause", taken, 0, 0, 0)
	return w.finish(ctx, r, l, -1, -1, -1)
}
