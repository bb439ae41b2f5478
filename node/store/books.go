package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"session-manager/node/ownership"
)

// books writes down which sends WhatsApp has acknowledged, and of which the callers know that: those of all accounts together, a moment
// after the callers have their answers. One that is lost with its process costs nothing: under its
// key the same message ID goes out again, and its recipients' phones drop it.
type books struct {
	store *Store
	wake  chan struct{} // capacity 1: there are entries
	quit  chan struct{}
	done  chan struct{}

	mu      sync.Mutex // guards what follows
	entries map[sendID]bookEntry
	writing map[sendID]bookEntry // they are being written
}

type sendID struct {
	cliente ownership.Cliente
	key     string
}

// bookEntry is what is to be written of a send. It counts as a write under way of its account's.
type bookEntry struct {
	account *Account
	at      time.Time // of WhatsApp's acknowledgement; zero: none
	told    bool      // the caller has its answer
}

const (
	// bookEvery is how long acknowledgements are gathered.
	bookEvery = 10 * time.Millisecond
	// maxBooked is how many go into one statement: 6 parameters each.
	maxBooked = 200
)

func openBooks(s *Store) *books {
	b := &books{store: s, wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}), entries: make(map[sendID]bookEntry)}
	go b.run()
	return b
}

// enter has an acknowledgement written soon, or that its caller was told, or both.
func (b *books) enter(a *Account, key string, at time.Time, told bool) {
	a.begin()
	b.mu.Lock()
	id := sendID{a.hold.Cliente(), key}
	e, twice := b.entries[id]
	if twice {
		a.done()
	} else {
		e = bookEntry{account: a}
	}
	if e.at.IsZero() {
		e.at = at
	}
	e.told = e.told || told
	b.entries[id] = e
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// pending is when a send was acknowledged that is not written yet.
func (b *books) pending(a *Account, key string) (time.Time, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, entries := range []map[sendID]bookEntry{b.entries, b.writing} {
		if e := entries[sendID{a.hold.Cliente(), key}]; !e.at.IsZero() {
			return e.at, true
		}
	}
	return time.Time{}, false
}

func (b *books) run() {
	defer close(b.done)
	for {
		select {
		case <-b.wake:
		case <-b.quit:
			b.write()
			return
		}
		timer := time.NewTimer(bookEvery)
		select {
		case <-timer.C:
		case <-b.quit:
		}
		timer.Stop()
		b.write()
	}
}

func (b *books) close() {
	close(b.quit)
	<-b.done
}

// write writes all entries that there are.
func (b *books) write() {
	b.mu.Lock()
	b.entries, b.writing = make(map[sendID]bookEntry), b.entries
	ids := slices.Collect(maps.Keys(b.writing))
	b.mu.Unlock()
	// In one order: statements that lock several fences must not wait for each other.
	slices.SortFunc(ids, func(x, y sendID) int { return cmp.Or(cmp.Compare(x.cliente, y.cliente), cmp.Compare(x.key, y.key)) })
	for some := range slices.Chunk(ids, maxBooked) {
		if err := b.writeSome(some); err != nil {
			b.store.log.Warn("acknowledged sends were not booked as done", "sends", len(some), "err", err)
		}
		b.mu.Lock()
		for _, id := range some {
			b.writing[id].account.done()
			delete(b.writing, id)
		}
		b.mu.Unlock()
	}
}

// writeSome is one statement: it books those whose fences hold their tokens.
func (b *books) writeSome(ids []sendID) error {
	ctx, cancel := context.WithTimeout(context.Background(), b.store.answer)
	defer cancel()
	d := b.store.dialect
	tokens := make(map[*ownership.Hold]ownership.Token)
	var values strings.Builder
	var args []any
	for i, id := range ids {
		b.mu.Lock()
		e := b.writing[id]
		b.mu.Unlock()
		hold := e.account.hold
		token, ok := tokens[hold]
		if !ok { // once: to be steady twice would wait for a swap that waits for the first
			var release func()
			token, release = hold.Steady()
			defer release()
			tokens[hold] = token
		}
		if i > 0 {
			values.WriteString(", ")
		}
		n := len(args)
		fmt.Fprintf(&values, "(%s, %s, %s, %s, %s, %s)",
			d.bigint(n+1), d.text(n+2), d.bigint(n+3), d.bigint(n+4), d.bigint(n+5), d.boolean(n+6))
		args = append(args, int64(id.cliente), id.key, micros(e.at), token.Generation, token.Revision, e.told)
	}
	_, err := b.store.db.Exec(typed(ctx), "WITH v AS (SELECT column1 AS cliente, column2 AS key, column3 AS at, column4 AS generation, column5 AS revision, column6 AS told"+
		" FROM (VALUES "+values.String()+") AS l),"+
		" f AS "+d.materialized()+" (SELECT fences.cliente AS cliente, v.key AS key, v.at AS at, v.told AS told FROM v JOIN fences"+
		" ON fences.cliente = v.cliente AND fences.generation = v.generation AND fences.revision = v.revision "+d.share()+")"+
		" UPDATE sends SET done = sends.done OR f.at > 0, sent_at = CASE WHEN f.at > 0 THEN f.at ELSE sends.sent_at END,"+
		" told = sends.told OR f.told FROM f WHERE sends.cliente = f.cliente AND sends.key = f.key", args...)
	return b.store.wrap(err)
}
