package sessions

import (
	"context"
	"errors"
	"fmt"
	"time"

	"session-manager/bench/cluster"
	"session-manager/bench/emulator"
	"session-manager/bench/measure"
	"session-manager/bench/report"
	"session-manager/node/ownership"
)

// Soak runs a mix of everything for a while and compares the nodes at its end with those at its
// start.
type Soak struct {
	Store    string        `default:"postgres" enum:"sqlite,postgres" help:"Kind of store."`
	Nodes    int           `default:"2" help:"How many nodes."`
	Clientes int           `default:"60" help:"How many clientes."`
	For      time.Duration `default:"2m" help:"How long."`
	Sends    int           `default:"60" help:"Texts a second."`
	Letters  int           `default:"20" help:"Messages to clientes a second."`
	Statuses int           `default:"100" help:"Requests for a status a second."`
	Drops    int           `default:"1" help:"Sockets that WhatsApp drops, a second."`
}

// Name is soak.
func (s *Soak) Name() string { return "soak" }

// About says what it measures.
func (s *Soak) About() string {
	return "A mix of texts, messages, statuses and dropped sockets for a while: what is lost or doubled, and whether the nodes grow."
}

// Params are its sizes.
func (s *Soak) Params() map[string]string {
	return map[string]string{"store": s.Store, "nodes": fmt.Sprint(s.Nodes), "clientes": fmt.Sprint(s.Clientes), "for": s.For.String(),
		"sends": fmt.Sprint(s.Sends), "letters": fmt.Sprint(s.Letters), "statuses": fmt.Sprint(s.Statuses), "drops": fmt.Sprint(s.Drops)}
}

const (
	soakSteps = 5
	// soakWarm is how long the mix runs before the first look, at most: caches and pools are full then.
	soakWarm = 15 * time.Second
	// soakGrowth is how much the nodes may have grown at most: what is more is a leak.
	soakGrowth = 1.15
)

// Run measures, once.
func (s *Soak) Run(ctx context.Context, env measure.Env, into *report.Scenario) (err error) {
	o := *s
	if env.Quick {
		o.Clientes, o.For = min(o.Clientes, 30), min(o.For, 10*time.Second)
	}
	env.Step(0, soakSteps, "accounts")
	a, err := begin(ctx, env, setup{store: o.Store, nodes: o.Nodes})
	if err != nil {
		return err
	}
	defer func() { err = joinClose(err, a) }()
	if err := a.acquainted(ctx); err != nil {
		return err
	}
	w, err := a.writers(ctx, o.Clientes)
	if err != nil {
		return err
	}
	a.rival.kill()
	m := &mix{writers: w, o: o}
	env.Step(1, soakSteps, "warming up")
	if err := m.run(ctx, min(soakWarm, o.For/4)); err != nil {
		return err
	}
	before, err := a.grown(ctx)
	if err != nil {
		return err
	}
	env.Step(2, soakSteps, fmt.Sprintf("a mix for %v", o.For))
	memory, err := a.follow(func() error { return m.run(ctx, o.For) })
	if err != nil {
		return err
	}
	into.Plots = append(into.Plots, memory)
	env.Step(3, soakSteps, "memory at the end")
	after, err := a.grown(ctx)
	if err != nil {
		return err
	}
	env.Step(4, soakSteps, "what arrived")
	if err := m.tell(ctx, into); err != nil {
		return err
	}
	into.AtMost(soakGrowth, "memory of the nodes at the end, against the start", "x", float64(after.resident)/float64(before.resident))
	into.Tell("memory of the nodes at the start", "MB", float64(before.resident)/(1<<20))
	into.Tell("memory of the nodes at the end", "MB", float64(after.resident)/(1<<20))
	into.AtMost(soakGrowth, "goroutines of the nodes at the end, against the start", "x", float64(after.goroutines)/float64(before.goroutines))
	into.Tell("goroutines of the nodes at the start", "", float64(before.goroutines))
	into.Tell("goroutines of the nodes at the end", "", float64(after.goroutines))
	return nil
}

// followEvery is between two looks at the memory of nodes at work.
const followEvery = time.Second

// follow runs work and draws what memory each node has meanwhile.
func (a *arena) follow(work func() error) (report.Plot, error) {
	p := report.Plot{File: "soak-memory.svg", Title: "Memory of the nodes under the mix", X: "s", Y: "MB"}
	for _, n := range a.Nodes() {
		p.Series = append(p.Series, report.Series{Name: n.Name()})
	}
	begun, done := time.Now(), make(chan error, 1)
	go func() { done <- work() }()
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		for i, n := range a.Nodes() {
			if resident, err := measure.Resident(n.PID()); err == nil { // else its work fails, and says why
				p.Series[i].X = append(p.Series[i].X, time.Since(begun).Seconds())
				p.Series[i].Y = append(p.Series[i].Y, float64(resident)/(1<<20))
			}
		}
		select {
		case err := <-done:
			return p, err
		case <-tick.C:
		}
	}
}

// grown looks at all nodes once they have nothing to do.
func (a *arena) grown(ctx context.Context) (sum idle, err error) {
	for i, n := range a.Nodes() {
		resident, err1 := a.settled(ctx, n.PID(), collectNode(n))
		goroutines, err2 := a.callers[i].metric("go_goroutines")
		if err := errors.Join(err1, err2); err != nil {
			return idle{}, err
		}
		sum.resident += resident
		sum.goroutines += int(goroutines)
	}
	return sum, nil
}

// tell compares what was acknowledged with what the phones show and the accounts have taken.
func (m *mix) tell(ctx context.Context, into *report.Scenario) error {
	if err := m.quiet(ctx); err != nil {
		return err
	}
	lost, doubled := 0, 0
	for _, friend := range m.friends {
		inbox, err := m.Emulator.Inbox(ctx, friend)
		if err != nil {
			return err
		}
		shown := make(map[string]int)
		for _, message := range inbox {
			shown[message.Text]++
		}
		for _, text := range m.sent[friend] {
			switch n := shown[text]; {
			case n == 0:
				lost++
			case n > 1:
				doubled++
			}
		}
	}
	taken, err := m.taken(ctx)
	if err != nil {
		return err
	}
	untaken := 0
	for _, id := range m.letters {
		if !taken[id] {
			untaken++
		}
	}
	s, err := m.Emulator.Stats(ctx)
	if err != nil {
		return err
	}
	into.AtMost(0, "texts acknowledged and not shown", "", float64(lost))
	into.AtMost(0, "texts shown more than once", "", float64(doubled))
	into.AtMost(0, "texts that were not acknowledged in time", "", float64(m.failed))
	into.AtMost(0, "messages to clientes that none acknowledged", "", float64(untaken))
	into.AtMost(0, "ratchets forked, messages that could not be decrypted, texts to nobody", "", float64(s.RatchetForks+s.Undecryptable+s.Empty))
	into.Tell("texts", "", float64(m.count()))
	into.Tell("messages to clientes", "", float64(len(m.letters)))
	into.Tell("statuses", "", float64(len(m.statuses)))
	into.Tell("sockets dropped", "", float64(m.drops))
	into.Tell("texts, p99", "ms", quantile(m.waits, 0.99))
	into.Tell("texts, longest", "ms", quantile(m.waits, 1))
	into.Tell("statuses, p99", "ms", quantile(m.statuses, 0.99))
	return nil
}

// takenWait is what the last messages get to be acknowledged.
const takenWait = 60 * time.Second

// taken are the messages that devices have acknowledged, once those are all, or it has waited.
func (m *mix) taken(ctx context.Context) (map[string]bool, error) {
	taken, since := make(map[string]bool), int64(0)
	for end := time.Now().Add(takenWait); ; {
		events, err := m.Emulator.Events(ctx, since)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			since = e.N
			if e.Kind == emulator.KindReceipt {
				taken[e.ID] = true
			}
		}
		all := true
		for _, id := range m.letters {
			all = all && taken[id]
		}
		if all || time.Now().After(end) {
			return taken, nil
		}
		if err := wait(ctx, acknowledgedPoll); err != nil {
			return nil, err
		}
	}
}

// message is one that a cliente sends in the mix; its text is its key.
func (m *mix) message(i int) (ownership.Cliente, cluster.Message) {
	c := ownership.Cliente(i%m.n + 1)
	key := fmt.Sprintf("mix-%s-%d", c, i)
	return c, cluster.Message{To: m.friends[i%m.n%len(m.friends)], Text: key, Key: key}
}
