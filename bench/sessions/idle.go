package sessions

import (
	"context"
	"fmt"
	"strings"
	"time"

	"session-manager/bench/measure"
	"session-manager/bench/report"
)

// Bars of issue 4.
const (
	barSession     = 1.15 // × bare whatsmeow's memory per session
	barSessionKB   = 130
	barResidentGB  = 1.6 // of one node with 10,000 sessions
	barCores       = 0.3
	sessionsOfKB   = 5_000
	sessionsOfNode = 10_000
)

// Idle measures what a connected session costs that has nothing to do.
type Idle struct {
	Store    string        `default:"postgres" enum:"sqlite,postgres" help:"Kind of store."`
	Sessions int           `default:"5000" help:"Sessions of both sides."`
	Most     int           `default:"10000" help:"Sessions of one node alone. 0: none."`
	Watch    time.Duration `default:"30s" help:"How long the CPU is watched: a session's keep-alive comes every 20 to 30 s."`
}

// Name is idle.
func (i *Idle) Name() string { return "idle" }

// About says what it measures.
func (i *Idle) About() string {
	return "Memory, goroutines and CPU of idle connected sessions, against bare whatsmeow in one process; and of a node with very many."
}

// Params are its sizes.
func (i *Idle) Params() map[string]string {
	return map[string]string{"store": i.Store, "sessions": fmt.Sprint(i.Sessions), "most": fmt.Sprint(i.Most), "watch": i.Watch.String()}
}

// idleRounds are enough: the figures are sums over thousands.
const idleRounds = 3

// Run measures.
func (i *Idle) Run(ctx context.Context, env measure.Env, into *report.Scenario) (err error) {
	o, rounds := *i, min(env.Rounds, idleRounds)
	if env.Quick {
		rounds, o.Sessions, o.Watch = 1, min(o.Sessions, 300), min(o.Watch, time.Second)
		if o.Most > 2*o.Sessions {
			o.Most = 0 // very many are not started in a hurry
		}
	}
	step := func(n int, what string) { env.Step(n, 2*rounds+3, what) }
	step(0, "processes without sessions")
	a, err := begin(ctx, env, setup{store: o.Store, nodes: 1})
	if err != nil {
		return err
	}
	defer func() { err = joinClose(err, a) }()
	emptyNode, err := a.settled(ctx, a.node().PID(), collectNode(a.node()))
	if err != nil {
		return err
	}
	emptyRival, err := a.settled(ctx, a.rival.pid(), a.rival.collect)
	if err != nil {
		return err
	}
	step(1, "accounts")
	if err := a.seedRival(ctx, 1, o.Sessions); err != nil {
		return err
	}
	if err := a.seedClientes(ctx, 1, o.Sessions); err != nil {
		return err
	}
	var product, bare []idle
	for round := range rounds {
		at := 2 + 2*round
		err := turns(round,
			func() error {
				step(at+round%2, fmt.Sprintf("session-manager, round %d", round+1))
				now, err := a.idleNode(ctx, o.Sessions, o.Watch)
				product = append(product, now.less(emptyNode))
				return err
			},
			func() error {
				step(at+1-round%2, fmt.Sprintf("bare whatsmeow, round %d", round+1))
				now, err := a.idleRival(ctx, o.Watch)
				bare = append(bare, now.less(emptyRival))
				return err
			})
		if err != nil {
			return err
		}
	}
	o.tell(into, product, bare, emptyNode, emptyRival)
	memory := newChart("idle-memory.svg", "Memory of an idle session", "KB")
	memory.add(fmt.Sprintf("%d sessions, %s", o.Sessions, o.Store), each(product, idle.perSession), each(bare, idle.perSession))
	memory.draw(into)
	into.Notes = append(into.Notes, "Memory is what is resident after two garbage collections, once it shrinks no more; what the same process holds without a session is taken off and told by itself. Nothing else is forced out of either.")
	if o.Most > o.Sessions {
		step(2+2*rounds, "very many sessions")
		a.rival.kill()
		if err := a.seedClientes(ctx, clientes(o.Sessions + 1)[o.Sessions], o.Most-o.Sessions); err != nil {
			return err
		}
		many, err := a.idleNode(ctx, o.Most, o.Watch)
		if err != nil {
			return err
		}
		o.tellMany(into, many)
	}
	return a.judge(ctx)
}

// idle is what a process with sessions uses.
type idle struct {
	sessions   int
	resident   int64 // bytes
	most       int64 // while it was watched
	goroutines int
	cores      float64
	began      time.Duration // from the start of the process until all were in
}

// less takes off what the process holds without sessions.
func (i idle) less(empty int64) idle {
	i.resident -= empty
	return i
}

func (i idle) perSession() float64 { return float64(i.resident) / 1024 / float64(i.sessions) }

// each is one figure of every round.
func each(rounds []idle, figure func(idle) float64) []float64 {
	var values []float64
	for _, r := range rounds {
		values = append(values, figure(r))
	}
	return values
}

// idleNode starts the node anew, so that its memory is not that of other work, and measures it
// with so many sessions READY.
func (a *arena) idleNode(ctx context.Context, n int, watch time.Duration) (out idle, err error) {
	if err := a.drain(ctx); err != nil {
		return idle{}, err
	}
	begun := time.Now()
	if err := a.startAgain(ctx); err != nil {
		return idle{}, err
	}
	if err := a.ready(ctx, n); err != nil {
		return idle{}, err
	}
	out = idle{sessions: n, began: time.Since(begun)}
	if err := out.watch(ctx, a, a.node().PID(), collectNode(a.node()), watch); err != nil {
		return idle{}, err
	}
	goroutines, err := a.caller().metric("go_goroutines")
	out.goroutines = int(goroutines)
	if err != nil {
		return idle{}, err
	}
	return out, a.ready(ctx, n) // they have stayed so
}

func (a *arena) idleRival(ctx context.Context, watch time.Duration) (out idle, err error) {
	if err := a.rival.stop(ctx); err != nil {
		return idle{}, err
	}
	begun := time.Now()
	if a.rival, err = startRival(ctx, a.env, a.rivalStore, a.EmulatorURL()); err != nil {
		return idle{}, err
	}
	if err := a.rival.connect(ctx); err != nil {
		return idle{}, err
	}
	out.began = time.Since(begun)
	if err := out.watch(ctx, a, a.rival.pid(), a.rival.collect, watch); err != nil {
		return idle{}, err
	}
	r, err := a.rival.report(ctx)
	out.sessions, out.goroutines = r.Connected, r.Goroutines
	return out, err
}

// watch measures memory once it has settled, and then CPU and the most memory for a while.
func (i *idle) watch(ctx context.Context, a *arena, pid int, collect func(context.Context) error, d time.Duration) (err error) {
	if i.resident, err = a.settled(ctx, pid, collect); err != nil {
		return err
	}
	i.most = i.resident
	begun := time.Now()
	used, _, err := spent([]int{pid}, nil, func() error {
		for time.Since(begun) < d {
			if err := wait(ctx, min(restEvery, d)); err != nil {
				return err
			}
			now, err := measure.Resident(pid)
			if err != nil {
				return err
			}
			i.most = max(i.most, now)
		}
		return nil
	})
	i.cores = used / ms(time.Since(begun))
	return err
}

func (i *Idle) tell(into *report.Scenario, product, bare []idle, emptyNode, emptyRival int64) {
	prefix := fmt.Sprintf("%d idle sessions: ", i.Sessions)
	into.AtMost(barSession, prefix+"memory of each, against bare whatsmeow", "x", ratios(each(product, idle.perSession), each(bare, idle.perSession))...)
	name := prefix + "memory of each"
	if i.Sessions >= sessionsOfKB {
		into.AtMost(barSessionKB, name, "KB", each(product, idle.perSession)...)
	} else {
		into.Tell(name, "KB", each(product, idle.perSession)...)
	}
	into.Tell(prefix+"bare whatsmeow, memory of each", "KB", each(bare, idle.perSession)...)
	for _, who := range []struct {
		name   string
		empty  int64
		rounds []idle
	}{{productName, emptyNode, product}, {rivalName, emptyRival, bare}} {
		into.Tell(prefix+who.name+", without sessions", "MB", float64(who.empty)/(1<<20))
		into.Tell(prefix+who.name+", goroutines of each", "", each(who.rounds, func(i idle) float64 { return float64(i.goroutines) / float64(i.sessions) })...)
		into.Tell(prefix+who.name+", CPU", "cores", each(who.rounds, func(i idle) float64 { return i.cores })...)
		into.Tell(prefix+who.name+", from the start of the process until all are in", "s", each(who.rounds, func(i idle) float64 { return i.began.Seconds() })...)
	}
}

func (i *Idle) tellMany(into *report.Scenario, many idle) {
	prefix := fmt.Sprintf("%d sessions on one node: ", many.sessions)
	resident, cores := float64(many.resident)/1e9, many.cores
	if many.sessions >= sessionsOfNode {
		into.AtMost(barResidentGB, prefix+"resident", "GB", resident)
		into.AtMost(barCores, prefix+"CPU while idle", "cores", cores)
	} else {
		into.Tell(prefix+"resident", "GB", resident)
		into.Tell(prefix+"CPU while idle", "cores", cores)
	}
	into.Tell(prefix+"most resident while watched", "GB", float64(many.most)/1e9)
	into.Tell(prefix+"goroutines", "", float64(many.goroutines))
	into.Tell(prefix+"from the start of the process until all are READY", "s", many.began.Seconds())
	into.Notes = append(into.Notes, strings.TrimSuffix(prefix, ": ")+": READY, and still so at the end.")
}
