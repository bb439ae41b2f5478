package faults

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"session-manager/bench/cluster"
	"session-manager/bench/emulator"
	"session-manager/node/ownership"
)

const (
	// connecting is what so many connections at once take a small machine, whatever is behind them.
	connecting = 4 * time.Second
	othersP99  = 500 * time.Millisecond // bar of those who have nothing to do with a flood
	othersMax  = 2 * time.Second
	// firstStranger is the first of the clientes that nobody has paired.
	firstStranger = ownership.Cliente(1_000_000)
	strangersAt   = 16
	unpairedLimit = 200 // of a node, by default
	lookForRows   = 2 * time.Second
)

// oneKey has one caller send very much at once to a cliente that cannot log in, so that every message
// waits, all to one node that is not its owner. What others notice is measured there, too: those whose
// owner is the same.
func oneKey(ctx context.Context, w *world, r *Result) error {
	owner, its, err := w.busiest(ctx)
	if err != nil {
		return err
	}
	slow, others := its[0], its[1:]
	all := w.Nodes()
	entry := all[slices.IndexFunc(all, func(n *cluster.Node) bool { return n != owner })]
	p := w.probe(others, entry.Client)
	defer p.end()
	if err := sleep(ctx, warmUp); err != nil {
		return err
	}
	waits, _ := p.since()
	r.tell("others' answer before p99", quantile(waits, 0.99), "ms")
	if err := w.stopsAtLogin(ctx, slow); err != nil {
		return err
	}
	p.since()
	begun := time.Now()
	answered := make(chan map[string]int)
	go func() { answered <- w.sendAtOnce(ctx, entry, slow, w.o.Many) }()
	err = sleep(ctx, connecting)
	coming, failed := p.since()
	kinds := <-answered
	if err != nil {
		return err
	}
	r.tell("answered within", ms(time.Since(begun)), "ms")
	waiting, failedThen := p.since()
	r.spread("others' answer while they come", coming, 0, 0, readLimit)
	r.spread("others' answer while they wait", waiting, 0, othersP99, othersMax)
	r.atMost("others' failed requests", float64(failed+failedThen), "", 0)
	for _, kind := range sortedKeys(kinds) {
		r.Notes = append(r.Notes, fmt.Sprintf("%d × %s", kinds[kind], kind))
	}
	if err := w.Emulator.ClearFaults(ctx); err != nil {
		return err
	}
	l := w.startLoad(w.o.Rate)
	defer l.end()
	return w.finish(ctx, r, l, -1, -1, 0)
}

// stopsAtLogin has a cliente log in at a server that does not answer, for as long as the faults are not cleared.
func (w *world) stopsAtLogin(ctx context.Context, c ownership.Cliente) error {
	for _, kind := range []string{emulator.FaultDrop, emulator.FaultDeaf} {
		if err := w.Emulator.SetFault(ctx, emulator.Fault{Kind: kind, Number: cluster.NumberOf(c)}); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, returnWait, fmt.Errorf("waited %v", returnWait))
	defer cancel()
	return cluster.Await(ctx, "a login of cliente "+c.String(), func(ctx context.Context) (bool, string, error) {
		s, err := w.balancer.Client().Status(ctx, c)
		return err == nil && s.State == "RECONNECTING", s.State, nil
	})
}

// sendAtOnce begins so many requests for a cliente at one node at the same moment, two of three sends, and counts the
// answers.
func (w *world) sendAtOnce(ctx context.Context, at *cluster.Node, c ownership.Cliente, many int) map[string]int {
	ctx, cancel := context.WithTimeout(ctx, sendLimit)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	kinds := make(map[string]int)
	var mu sync.Mutex // guards kinds
	var g sync.WaitGroup
	for n := range many {
		g.Go(func() {
			url, method, body := at.URL()+"/status", http.MethodGet, ""
			if n%3 != 0 {
				url, method = at.URL()+"/send", http.MethodPost
				body = fmt.Sprintf(`{"to":"%s","message":"flood %d"}`, friendOf(c), n)
			}
			req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader([]byte(body)))
			if err != nil {
				w.trouble(err)
				return
			}
			req.Header.Set("X-Cliente-Id", c.String())
			req.Header.Set("Content-Type", "application/json")
			kind := ""
			if resp, err := client.Do(req); err != nil {
				kind = kindOf(err)
			} else {
				resp.Body.Close()
				kind = fmt.Sprint(resp.StatusCode)
			}
			mu.Lock()
			defer mu.Unlock()
			kinds[method+" "+kind]++
		})
	}
	g.Wait()
	return kinds
}

// unpairedFlood asks for thousands of clientes that nobody has ever paired. A node takes a few hundred of
// these, and they and their rows end when nobody asks any more; their fences stay.
func unpairedFlood(ctx context.Context, w *world, r *Result) error {
	l := w.startLoad(w.o.Rate)
	defer l.end()
	p := w.probe(w.clientes, w.balancer.Client)
	defer p.end()
	if err := sleep(ctx, warmUp); err != nil {
		return err
	}
	p.since()
	begun := time.Now()
	kinds, err := w.askForStrangers(ctx, w.o.Many)
	if err != nil {
		return err
	}
	r.tell("asked within", time.Since(begun).Seconds(), "s")
	for _, kind := range sortedKeys(kinds) {
		r.Notes = append(r.Notes, fmt.Sprintf("%d × %s", kinds[kind], kind))
	}
	waits, failed := p.since()
	r.spread("others' answer", waits, 0, othersP99, othersMax)
	r.atMost("others' failed requests", float64(failed), "", 0)
	rows, fences, err := w.strangers(ctx)
	if err != nil {
		return err
	}
	r.atMost("unpaired clientes that have rows", float64(rows), "", nodes*unpairedLimit)
	most := fences
	for end := time.Now().Add(w.o.For); rows > 0 && time.Now().Before(end); {
		if err := sleep(ctx, lookForRows); err != nil {
			return err
		}
		if rows, fences, err = w.strangers(ctx); err != nil {
			return err
		}
		most = max(most, fences)
	}
	r.tell("rows gone after", time.Since(begun).Seconds(), "s")
	r.atMost("unpaired clientes that have rows for ever", float64(rows), "", 0)
	floors, err := w.audit.column(ctx, "SELECT 1 FROM information_schema.tables WHERE table_name LIKE '%floor%'")
	if err != nil {
		return err
	}
	if len(floors) == 0 { // else their tokens may be kept there
		r.atMost("fences that went with them", float64(most-fences), "", 0)
	}
	return w.finish(ctx, r, l, 0, -1, 0)
}

// askForStrangers asks for the states of so many clientes that are not paired, and counts the answers.
func (w *world) askForStrangers(ctx context.Context, many int) (map[string]int, error) {
	kinds := make(map[string]int)
	var mu sync.Mutex // guards kinds
	var g errgroup.Group
	g.SetLimit(strangersAt)
	all := w.Nodes()
	for n := range many {
		g.Go(func() error {
			c := firstStranger + ownership.Cliente(n)
			status, _, err := get(ctx, all[n%len(all)].URL()+"/api/whatsapp/"+c.String()+"/status", c)
			kind := fmt.Sprint(status)
			if err != nil {
				kind = kindOf(err)
			}
			mu.Lock()
			defer mu.Unlock()
			kinds[kind]++
			return ctx.Err()
		})
	}
	return kinds, g.Wait()
}

// strangers counts what the store has of clientes that are not paired.
func (w *world) strangers(ctx context.Context) (rows, fences int, err error) {
	for _, c := range []struct {
		table string
		count *int
	}{{"clientes", &rows}, {"fences", &fences}} {
		query := fmt.Sprintf("SELECT count(*) FROM %s WHERE cliente >= %d", c.table, firstStranger)
		if err := w.audit.db.QueryRowContext(ctx, query).Scan(c.count); err != nil {
			return 0, 0, err
		}
	}
	return rows, fences, nil
}
