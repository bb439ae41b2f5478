package smoke

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"session-manager/bench/cluster"
	"session-manager/bench/emulator"
	"session-manager/node/ownership"
)

const (
	sendEvery  = 100 * time.Millisecond // pause of a cliente between an acknowledgement and the next send
	writeEvery = 300 * time.Millisecond // of the writer, to each cliente
	lookEvery  = 500 * time.Millisecond // at the emulator's events, of which it keeps the newest
	giveUp     = time.Minute            // a send that nobody acknowledged by then has failed
)

// traffic is what goes through the cluster, both ways, and what became of it.
type traffic struct {
	*smoke

	mu        sync.Mutex               // guards what follows
	sent      map[string]string        // text → ID; "": not acknowledged
	waits     map[string]time.Duration // text → first try to acknowledgement
	again     int                      // tries beyond the first
	longest   time.Duration            // of waits
	longestAt time.Time
	failures  []error
	written   map[incoming]bool           // by the writer
	taken     map[incoming]bool           // accounts have a receipt of it; their own sends have some, too
	trail     map[string][]emulator.Event // ID → all that happened to that message
	events    int64                       // of the emulator, seen up to this one
	wrong     []emulator.Event            // of them, what must not be
}

// incoming is a message to an account.
type incoming struct{ number, id string }

func newTraffic(s *smoke) *traffic {
	return &traffic{smoke: s, sent: make(map[string]string), waits: make(map[string]time.Duration), written: make(map[incoming]bool), taken: make(map[incoming]bool), trail: make(map[string][]emulator.Event)}
}

// run uses all clientes until stop, and returns when what was begun has ended.
func (t *traffic) run(ctx context.Context, stop <-chan struct{}) {
	var users sync.WaitGroup
	for n := range t.Clientes {
		c := ownership.Cliente(n + 1)
		users.Go(func() { every(stop, sendEvery, func(i int) { t.send(ctx, c, fmt.Sprintf("smoke %s %d", c, i)) }) })
		users.Go(func() { every(stop, writeEvery, func(i int) { t.write(ctx, c, fmt.Sprintf("smoke to %s %d", c, i)) }) })
	}
	users.Go(func() { every(stop, lookEvery, func(int) { t.note(t.look(ctx)) }) })
	users.Wait()
}

// every calls do, again and again, with a pause between, until stop.
func every(stop <-chan struct{}, pause time.Duration, do func(i int)) {
	for i := 0; ; i++ {
		do(i)
		select {
		case <-stop:
			return
		case <-time.After(pause):
		}
	}
}

// send sends as a careful caller does: again under its key until it is acknowledged.
func (t *traffic) send(ctx context.Context, c ownership.Cliente, text string) {
	t.mu.Lock()
	t.sent[text] = ""
	t.mu.Unlock()
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, giveUp)
	defer cancel()
	sent, tries, err := t.client.SendUntil(ctx, c, cluster.Message{To: friend, Text: text, Key: strings.ReplaceAll(text, " ", "-")})
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waits[text] = time.Since(begun)
	if t.waits[text] > t.longest {
		t.longest, t.longestAt = t.waits[text], begun
	}
	t.again += tries - 1
	t.sent[text] = sent.MessageID
	if err == nil && sent.MessageID == "" {
		err = fmt.Errorf("send %q: 200 without a message_id", text)
	}
	if err != nil {
		t.failures = append(t.failures, err)
	}
}

// write has the writer write to an account.
func (t *traffic) write(ctx context.Context, c ownership.Cliente, text string) {
	id, err := t.phones.SendMessage(ctx, writer, cluster.NumberOf(c), text)
	if err != nil {
		t.note(fmt.Errorf("%s to cliente %s: %w", writer, c, err))
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.written[incoming{cluster.NumberOf(c), id}] = true
}

func (t *traffic) note(err error) {
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failures = append(t.failures, err)
}

// look reads the events since the last look, and keeps what has a receipt.
func (t *traffic) look(ctx context.Context) error {
	events, err := t.phones.Events(ctx, t.events)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range events {
		if e.N != t.events+1 {
			return fmt.Errorf("events %d to %d of the emulator were missed", t.events+1, e.N-1)
		}
		t.events = e.N
		m := incoming{e.Number, e.ID}
		t.trail[e.ID] = append(t.trail[e.ID], e)
		switch e.Kind {
		case emulator.KindFork, emulator.KindUndecryptable, emulator.KindEmpty:
			t.wrong = append(t.wrong, e)
		}
		if e.Kind == emulator.KindReceipt && e.Detail != "retry" {
			t.taken[m] = true
		}
	}
	return nil
}

// tell prints what callers felt.
func (t *traffic) tell() {
	waits := make([]time.Duration, 0, len(t.waits))
	for _, w := range t.waits {
		waits = append(waits, w)
	}
	slices.Sort(waits)
	quantile := func(q float64) time.Duration { return waits[int(q*float64(len(waits)-1))].Round(time.Millisecond) }
	fmt.Fprintf(t.Out, "%d sends, %d tried again; wait median %v, p99 %v, longest %v (at %s); %d messages to the accounts\n",
		len(waits), t.again, quantile(0.5), quantile(0.99), t.longest.Round(time.Millisecond), t.longestAt.Format(time.TimeOnly), len(t.written))
}
