package sessions

import (
	"context"
	"sync"
	"time"

	"session-manager/bench/cluster"
	"session-manager/bench/emulator"
	"session-manager/node/ownership"
)

// mix is a steady pace of several things at once, whatever becomes of those before.
type mix struct {
	*writers
	o    Soak
	next int // text

	mu       sync.Mutex          // guards what follows, while it runs
	sent     map[string][]string // texts that were acknowledged, by the friend's number
	failed   int
	waits    []float64 // ms, of texts, over all tries
	statuses []float64 // ms
	letters  []string  // IDs
	drops    int
	err      error // of the harness itself: the first
}

// patience is a caller's, over all tries of one text.
const patience = 60 * time.Second

// run runs the mix for a while, and returns when everything that was begun has ended.
func (m *mix) run(ctx context.Context, d time.Duration) error {
	if m.sent == nil {
		m.sent = make(map[string][]string)
	}
	balancer := m.Client() // goes around the nodes
	var under sync.WaitGroup
	pace := func(perSecond int, do func(i int)) {
		if perSecond <= 0 {
			return
		}
		under.Go(func() {
			tick := time.NewTicker(time.Second / time.Duration(perSecond))
			defer tick.Stop()
			end := time.NewTimer(d)
			defer end.Stop()
			for i := 0; ; i++ {
				select {
				case <-tick.C:
					under.Go(func() { do(i) })
				case <-end.C:
					return
				case <-ctx.Done():
					return
				}
			}
		})
	}
	first := m.next
	pace(m.o.Sends, func(i int) { m.send(ctx, balancer, first+i) })
	pace(m.o.Letters, func(i int) { m.letter(ctx, i) })
	pace(m.o.Statuses, func(i int) { m.status(ctx, i) })
	pace(m.o.Drops, func(i int) { m.drop(ctx, i) })
	under.Wait()
	m.next += int(d/time.Second+1) * m.o.Sends * 2
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return m.err
}

// book changes the counts.
func (m *mix) book(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
}

func (m *mix) trouble(err error) {
	m.book(func() {
		if m.err == nil {
			m.err = err
		}
	})
}

func (m *mix) send(ctx context.Context, balancer *cluster.Client, i int) {
	c, message := m.message(i)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	begun := time.Now()
	_, _, err := balancer.SendUntil(ctx, c, message)
	m.book(func() {
		if err != nil {
			m.failed++
			return
		}
		m.waits = append(m.waits, ms(time.Since(begun)))
		m.sent[message.To] = append(m.sent[message.To], message.Text)
	})
}

func (m *mix) letter(ctx context.Context, i int) {
	c := ownership.Cliente(i%m.n + 1)
	from := m.friends[(i%m.n+1)%len(m.friends)] // not whom it writes to: letters that cross are another matter
	id, err := m.Emulator.SendMessage(ctx, from, productNumber(c), "letter")
	if err != nil {
		m.trouble(err)
		return
	}
	m.book(func() { m.letters = append(m.letters, id) })
}

func (m *mix) status(ctx context.Context, i int) {
	if ctx.Err() != nil {
		return
	}
	begun := time.Now()
	if _, err := m.callers[i%len(m.callers)].state(ownership.Cliente(i%m.n + 1)); err != nil {
		m.trouble(err)
		return
	}
	m.book(func() { m.statuses = append(m.statuses, ms(time.Since(begun))) })
}

func (m *mix) drop(ctx context.Context, i int) {
	number := productNumber(ownership.Cliente(i*7%m.n + 1))
	if err := m.Emulator.SetFault(ctx, emulator.Fault{Kind: emulator.FaultDrop, Number: number}); err != nil {
		m.trouble(err)
		return
	}
	m.book(func() { m.drops++ })
}

// count is how many texts were acknowledged.
func (m *mix) count() (n int) {
	for _, texts := range m.sent {
		n += len(texts)
	}
	return n
}
