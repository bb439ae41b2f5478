package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"session-manager/bench/cluster"
	"session-manager/node/ownership"
)

const (
	readEvery = 50 * time.Millisecond // of one cliente
	readLimit = 5 * time.Second       // the callers' clock for a read
)

// reads are what callers ask of a cliente: what is said then decides whether a message goes out.
var reads = []string{"/status", "/api/session-manager/sessions/sender_%d", "/qr-code", "/qr", "/api/whatsapp/%d/status"}

// ownerSilent takes an owner away, by SIGSTOP, SIGKILL and SIGTERM in turn, while all of its clientes
// are asked for at the other nodes, and at itself once it is back. They are paired, and no answer may say
// otherwise.
func ownerSilent(ctx context.Context, w *world, r *Result) error {
	l := w.startLoad(w.o.Rate)
	defer l.end()
	if err := sleep(ctx, warmUp); err != nil {
		return err
	}
	b := &readings{kinds: make(map[string]int)}
	for round := range w.o.Rounds {
		victim, its, err := w.busiest(ctx)
		if err != nil {
			return err
		}
		reading, stop := context.WithCancel(ctx)
		var readers errgroup.Group
		for n, c := range its {
			readers.Go(func() error { b.read(reading, w, c, n); return nil })
		}
		err = w.takeAway(ctx, r, victim, its, round)
		stop()
		_ = readers.Wait() // returns none
		if err != nil {
			return err
		}
	}
	r.tell("rounds", float64(w.o.Rounds), "")
	b.sum(r)
	return w.finish(ctx, r, l, -1, -1, -1)
}

// takeAway takes a node away until its clientes have logged in elsewhere, and brings it back.
func (w *world) takeAway(ctx context.Context, r *Result, victim *cluster.Node, its []ownership.Cliente, round int) error {
	if err := sleep(ctx, time.Second); err != nil { // of reads before
		return err
	}
	begun := time.Now()
	back := victim.Process.Start
	switch round % 3 {
	case 0:
		back = func(context.Context) error { return victim.Resume() }
		if err := victim.Pause(); err != nil {
			return err
		}
	case 1:
		victim.Kill()
	default:
		ending, cancel := context.WithTimeout(ctx, returnWait)
		defer cancel()
		if _, err := victim.Terminate(ending); err != nil {
			return err
		}
	}
	waiting, cancel := context.WithTimeoutCause(ctx, returnWait, fmt.Errorf("waited %v", returnWait))
	defer cancel()
	for _, c := range its {
		if _, err := w.watch.loginAfter(waiting, c, begun); err != nil {
			_ = back(ctx)
			return fmt.Errorf("cliente %s was not taken over: %w", c, err)
		}
	}
	w.o.say("round %d: %s, with %d clientes, was away; all are back after %v", round+1, victim.Name(), len(its), time.Since(begun).Round(time.Millisecond))
	if err := back(ctx); err != nil {
		return err
	}
	return w.back(ctx, victim, r)
}

// readings are what was answered to reads.
type readings struct {
	mu    sync.Mutex // guards what follows
	waits []time.Duration
	wrong []string
	kinds map[string]int // of answers other than 200 and 409
}

// read asks for a cliente again and again, each time another route at another node.
func (b *readings) read(ctx context.Context, w *world, c ownership.Cliente, n int) {
	for ; sleep(ctx, readEvery) == nil; n++ {
		nodes := slices.DeleteFunc(w.Nodes(), func(n *cluster.Node) bool { return !n.Running() })
		route := reads[n%len(reads)]
		path := strings.ReplaceAll(route, "%d", c.String())
		begun := time.Now()
		status, body, err := get(ctx, nodes[n%len(nodes)].URL()+path, c)
		if ctx.Err() != nil {
			return
		}
		b.book(route, path, status, body, err, time.Since(begun))
	}
}

func (b *readings) book(route, path string, status int, body []byte, err error, took time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case err != nil: // of a node that is paused, or has died: whoever asks goes to another
		b.kinds["no answer"]++
		return
	case status == http.StatusServiceUnavailable:
		b.kinds["503"]++
	case unpaired(status, body):
		b.wrong = append(b.wrong, fmt.Sprintf("%s GET %s: %d %.300s", time.Now().Format("15:04:05.000"), path, status, body))
	case status != http.StatusOK && status != http.StatusConflict:
		b.kinds[fmt.Sprintf("%d of %s", status, route)]++
	}
	b.waits = append(b.waits, took)
}

// unpaired says whether an answer tells a caller that the cliente has never been paired, or is about to
// be paired anew.
func unpaired(status int, body []byte) bool {
	var said struct {
		State, Status string
		CurrentState  string  `json:"current_state"`
		Phone         *string `json:"phone_number"`
		Instance      string  `json:"instance_id"`
		NeedsQR       bool    `json:"needs_qr"`
	}
	if status == http.StatusNotFound {
		return true
	}
	if err := json.Unmarshal(body, &said); err != nil {
		return false
	}
	for _, state := range []string{said.State, said.Status, said.CurrentState} {
		switch state {
		case "INITIALIZING", "QR_REQUIRED", "NOT_INITIALIZED", "init", "qr_required":
			return true
		}
	}
	return said.NeedsQR || status == http.StatusOK && said.Instance != "" && said.Phone == nil
}

func (b *readings) sum(r *Result) {
	r.tell("answers", float64(len(b.waits)), "")
	r.never("answers that take a paired cliente for an unpaired one", len(b.wrong))
	r.noteAll("wrong: %s", b.wrong)
	r.spread("answer", b.waits, 0, 0, readLimit)
	for _, kind := range sortedKeys(b.kinds) {
		r.Notes = append(r.Notes, fmt.Sprintf("%d × %s", b.kinds[kind], kind))
	}
}

// get asks for one cliente, on a connection of its own choosing.
func get(ctx context.Context, url string, c ownership.Cliente) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*readLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("X-Cliente-Id", c.String())
	return do(req)
}
