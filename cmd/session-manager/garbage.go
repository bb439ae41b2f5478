package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Between two collections a process keeps as much garbage again as is alive, by Go's default (GOGC=100).
// At thousands of sessions, which hardly make any, that is the most of what a node has to spare. Where
// they do make much, as in a storm of logins or of texts, it is given more space, so that the collector
// need not go through all that is alive too often.
const (
	// garbage may always gather, in bytes: a small node collects seldom.
	garbage = 64 << 20
	// busy is how long what is made of it should last, seconds, until there is garbageOfBusy.
	busy          = 5
	garbageOfBusy = 256 << 20
	// leastGarbage is the percentage of what is alive that may gather in a large one. Against 100 it
	// saves 9 KB of 130 a session.
	leastGarbage = 25
	mostGarbage  = 400
)

// gcPercent is the GOGC of a process with so many bytes alive that makes so many a second.
func gcPercent(alive, made float64) int {
	gathers := min(max(garbage, busy*made), garbageOfBusy)
	return int(min(max(100*gathers/max(alive, 1), leastGarbage), mostGarbage))
}

// boundGarbage sets GOGC anew after each collection, until ctx ends.
func boundGarbage(ctx context.Context) {
	b := &bounds{ctx: ctx, since: time.Now(), heap: []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/heap/allocs:bytes"}}}
	b.watch()
}

type bounds struct {
	ctx     context.Context
	heap    []metrics.Sample // alive, and made since the start
	made    uint64           // until the last collection
	since   time.Time        // the last collection
	percent int
}

// watch leaves something behind that the next collection finds.
func (b *bounds) watch() {
	type left struct{ _ *int }
	runtime.AddCleanup(&left{}, (*bounds).collected, b)
}

func (b *bounds) collected() {
	if b.ctx.Err() != nil {
		return
	}
	defer b.watch()
	metrics.Read(b.heap)
	now, made := time.Now(), b.heap[1].Value.Uint64()
	next := gcPercent(float64(b.heap[0].Value.Uint64()), float64(made-b.made)/now.Sub(b.since).Seconds())
	b.since, b.made = now, made
	if change := next - b.percent; change > b.percent/8 || -change > b.percent/8 { // each change stops the world
		debug.SetGCPercent(next)
		b.percent = next
	}
}
