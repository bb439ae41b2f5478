package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"session-manager/bench/cluster"
	"session-manager/bench/emulator"
	"session-manager/node/ownership"
)

const (
	supervisorPause = time.Second      // before a supervisor starts a node again
	quietAfter      = 10 * time.Second // without a death, and it is over
)

// deadly is a stanza on which a goroutine of whatsmeow's own panics. WhatsApp delivers it at each login
// until it is answered.
var deadly = emulator.RawNode{
	Tag: "iq", Attrs: map[string]any{"type": "set", "from": "jid:s.whatsapp.net"}, Content: json.RawMessage(`[{"tag":"pair-success"}]`),
}

// poison has WhatsApp send one cliente what ends the process of its owner, and then kills nodes, of
// which nobody is to blame.
func poison(ctx context.Context, w *world, r *Result) error {
	culprit := w.clientes[len(w.clientes)-1]
	w.clientes = w.clientes[:len(w.clientes)-1] // it is none of those who are to notice nothing
	l := w.startLoad(w.o.Rate)
	defer l.end()
	if err := sleep(ctx, warmUp); err != nil {
		return err
	}
	s := w.supervise(ctx)
	begun := time.Now()
	if _, err := w.Emulator.SendStanza(ctx, emulator.RawStanza{Number: cluster.NumberOf(culprit), Queue: true, Node: deadly}); err != nil {
		s.end()
		return err
	}
	s.awaitQuiet(ctx)
	deaths := s.end()
	w.ready(ctx, r)
	r.tell("clientes of others", float64(len(w.clientes)), "")
	r.atMost("processes that died", float64(deaths), "", 2)
	r.spread("gap of others", w.watch.gaps(w.clientes, begun, time.Now()), 1500*time.Millisecond, 3*time.Second, 0)
	resting, err := w.inState(ctx, "ERROR", culprit)
	if err != nil {
		return err
	}
	r.atMost("culprits that do not rest", float64(1-len(resting)), "", 0)
	if err := w.killAgainAndAgain(ctx, r); err != nil {
		return err
	}
	convicted, err := w.inState(ctx, "ERROR", w.clientes...)
	if err != nil {
		return err
	}
	r.never("clientes that a kill convicted", len(convicted))
	r.noteAll("at rest, and innocent: %s", convicted)
	return w.finish(ctx, r, l, -1, -1, 0)
}

// killAgainAndAgain kills one node after the other, each once the one before is back.
func (w *world) killAgainAndAgain(ctx context.Context, r *Result) error {
	rng := rand.New(rand.NewPCG(w.o.Seed, 0))
	r.tell("seed", float64(w.o.Seed), "")
	died := 0
	for round := range w.o.Rounds {
		all := w.Nodes()
		n := all[rng.IntN(len(all))]
		n.Kill()
		w.o.say("kill %d: %s", round+1, n.Name())
		if err := n.Start(ctx); err != nil {
			return err
		}
		if err := w.back(ctx, n, r); err != nil {
			return err
		}
		for _, other := range all {
			if !other.Running() {
				died++
				if err := other.Start(ctx); err != nil {
					return err
				}
			}
		}
	}
	r.tell("kills", float64(w.o.Rounds), "")
	r.atMost("nodes that died beside", float64(died), "", 0)
	return nil
}

// inState returns those of some clientes that are in a state, and why.
func (w *world) inState(ctx context.Context, state string, of ...ownership.Cliente) (in []string, err error) {
	var mu sync.Mutex // guards in
	var g errgroup.Group
	g.SetLimit(16)
	for _, c := range of {
		g.Go(func() error {
			return cluster.Await(ctx, "the state of cliente "+c.String(), func(ctx context.Context) (bool, string, error) {
				s, err := w.balancer.Client().Status(ctx, c)
				if err != nil {
					return false, err.Error(), nil
				}
				if s.State == state {
					mu.Lock()
					defer mu.Unlock()
					in = append(in, fmt.Sprintf("cliente %s at %s", c, s.Owner))
				}
				return true, "", nil
			})
		})
	}
	err = g.Wait()
	slices.Sort(in)
	return in, err
}

// supervisor starts nodes again that have died, as whoever runs them does.
type supervisor struct {
	stop context.CancelFunc
	done sync.WaitGroup

	mu     sync.Mutex // guards what follows
	deaths int
	last   time.Time
}

func (w *world) supervise(ctx context.Context) *supervisor {
	ctx, stop := context.WithCancel(ctx)
	s := &supervisor{stop: stop, last: time.Now()}
	for _, n := range w.Nodes() {
		s.done.Go(func() {
			for sleep(ctx, followEvery) == nil {
				if n.Running() {
					continue
				}
				s.mu.Lock()
				s.deaths++
				s.last = time.Now()
				s.mu.Unlock()
				w.o.say("%s has died: %s", n.Name(), lastWords(n))
				if sleep(ctx, supervisorPause) != nil {
					return
				}
				if err := n.Start(ctx); err != nil {
					w.trouble(err)
				}
			}
		})
	}
	return s
}

// awaitQuiet returns when nothing has died for quietAfter.
func (s *supervisor) awaitQuiet(ctx context.Context) {
	for sleep(ctx, followEvery) == nil {
		s.mu.Lock()
		quiet := time.Since(s.last) > quietAfter
		s.mu.Unlock()
		if quiet {
			return
		}
	}
}

func (s *supervisor) end() (deaths int) {
	s.stop()
	s.done.Wait()
	return s.deaths
}

// lastWords returns the line of a log that says of what a process died.
func lastWords(n *cluster.Node) string {
	said := "it does not say of what"
	for line := range strings.Lines(n.Log()) {
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			said = strings.TrimSpace(line)
		}
	}
	return said
}
