package faults

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"session-manager/bench/cluster"
	"session-manager/node/ownership"
)

const (
	sendLimit  = 90 * time.Second // a caller's patience over all its tries
	againAfter = 100 * time.Millisecond
	mostSends  = 3000 // under way at once: a caller has so many threads
)

// send is a message that a caller wants sent.
type send struct {
	cliente ownership.Cliente
	to      string // number or JID that it goes to
	text    string // one of its own, and its Idempotency-Key
	begun   time.Time
	wait    time.Duration // until it was acknowledged
	failed  []failure     // tries before
	id      string        // of the message; "": never acknowledged
}

// failure is a try that was not answered by 200.
type failure struct {
	at  time.Time
	err error
}

// load sends at a steady pace through the balancer, whatever becomes of the sends before, and has
// phones write to the clientes at a fifth of that. Clientes take turns.
type load struct {
	world *world
	stop  context.CancelFunc
	done  sync.WaitGroup

	mu      sync.Mutex // guards what follows
	sends   []*send
	letters []letter
	dropped int // sends that were not begun: the pace was too high for what came back
}

// letter is a message that a phone wrote to a cliente.
type letter struct {
	cliente ownership.Cliente
	id      string
	at      time.Time
}

// startLoad begins; perSecond of 0 is no load.
func (w *world) startLoad(perSecond int) *load {
	ctx, stop := context.WithCancel(context.Background())
	l := &load{world: w, stop: stop}
	if perSecond > 0 {
		l.done.Go(func() { l.send(ctx, time.Second/time.Duration(perSecond)) })
		l.done.Go(func() { l.write(ctx, w.letterEvery(perSecond)) })
	}
	return l
}

// letterEvery is a fifth of the callers' pace: most of what an account does is to send. What is
// to cross needs as many.
func (w *world) letterEvery(perSecond int) time.Duration {
	if w.crossing {
		return time.Second / time.Duration(perSecond)
	}
	return 5 * time.Second / time.Duration(perSecond)
}

// end begins nothing more, and returns when everything begun has been answered or given up.
func (l *load) end() {
	l.stop()
	l.done.Wait()
}

func (l *load) send(ctx context.Context, pace time.Duration) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	under := make(chan struct{}, mostSends)
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		c := l.world.clientes[n%len(l.world.clientes)]
		s := &send{cliente: c, to: l.world.recipient(c, n), text: fmt.Sprintf("%s-%d", c, n), begun: time.Now()}
		select {
		case under <- struct{}{}:
		default:
			l.mu.Lock()
			l.dropped++
			l.mu.Unlock()
			continue
		}
		l.mu.Lock()
		l.sends = append(l.sends, s)
		l.mu.Unlock()
		l.done.Go(func() {
			l.carry(s)
			<-under
		})
	}
}

// carry repeats a send under its key until it is acknowledged, as a careful caller does.
func (l *load) carry(s *send) {
	ctx, cancel := context.WithTimeout(context.Background(), sendLimit)
	defer cancel()
	for {
		sent, err := l.world.balancer.Client().Send(ctx, s.cliente, cluster.Message{To: s.to, Text: s.text, Key: s.text})
		l.mu.Lock()
		if err == nil {
			s.id, s.wait = sent.MessageID, time.Since(s.begun)
		} else {
			s.failed = append(s.failed, failure{time.Now(), err})
		}
		l.mu.Unlock()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(againAfter):
		}
	}
}

// write has phones write to the clientes in turn.
func (l *load) write(ctx context.Context, pace time.Duration) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		c := l.world.clientes[n%len(l.world.clientes)]
		at := time.Now()
		// Without ctx: what the emulator has begun must be in our books.
		from := l.world.writerTo(c)
		id, err := l.world.Emulator.SendMessage(context.WithoutCancel(ctx), from, cluster.NumberOf(c), l.world.letterTo(c, n))
		if err != nil {
			l.world.trouble(fmt.Errorf("phone %s writes to cliente %s: %w", from, c, err))
			continue
		}
		l.mu.Lock()
		l.letters = append(l.letters, letter{c, id, at})
		l.mu.Unlock()
	}
}

// sum tells what the callers saw. failures and worst are bars where they are not negative.
func (l *load) sum(r *Result, failures int, worst time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var waits []time.Duration
	unanswered, failed := 0, 0
	kinds := make(map[string]int)
	for _, s := range l.sends {
		if s.id == "" {
			unanswered++
		} else {
			waits = append(waits, s.wait)
		}
		failed += len(s.failed)
		for _, f := range s.failed {
			kinds[kindOf(f.err)]++
		}
	}
	r.tell("sends", float64(len(l.sends)), "")
	if failures < 0 {
		r.tell("failed requests", float64(failed), "")
	} else {
		r.atMost("failed requests", float64(failed), "", float64(failures))
	}
	r.atMost("sends never acknowledged", float64(unanswered), "", 0)
	r.spread("send wait", waits, 0, 0, max(worst, 0))
	if l.dropped > 0 {
		r.tell("sends that were not begun", float64(l.dropped), "")
	}
	for _, kind := range sortedKeys(kinds) {
		r.Notes = append(r.Notes, fmt.Sprintf("%d × %s", kinds[kind], kind))
	}
}

// kindOf is an error without what is different in each.
func kindOf(err error) string {
	var refused *cluster.Refusal
	if errors.As(err, &refused) {
		return refused.Error()
	}
	var op *net.OpError
	var t interface{ Timeout() bool }
	switch {
	case errors.As(err, &t) && t.Timeout():
		return "no answer in time"
	case errors.As(err, &op):
		return op.Op + ": " + op.Err.Error()
	}
	for errors.Unwrap(err) != nil {
		err = errors.Unwrap(err)
	}
	return err.Error()
}
