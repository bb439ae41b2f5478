package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// Between two collections a process keeps as much garbage again as is alive, by Go's default (GOGC=100).
// At thousands of sessions, which hardly make any, that is the most of what a node has to spare.
const (
	// garbage is what may always gather, in bytes: a small node collects seldom.
	garbage = 64 << 20
	// leastGarbage is the percentage of what is alive that may gather in a large one. Against 100 it
	// saves 9 KB of 130 a session; collections are as many times more when a large node is busy.
	leastGarbage = 25
	// growingGarbage is that percentage while what is alive grows: what stays of sessions that start lies
	// scattered between what goes, and its pages never come back, however low GOGC is set afterwards:
	// 5,000 idle ones take 118 KB each with 25 here, and 113 with 12. Starting them all at once takes a
	// twentieth to a fifth longer for it, and --start-rate's default is below either; 7 % more
	// processor time goes where 3,000 begin to send at the same moment.
	growingGarbage = 12
	// grown is the part of what was alive by which more must be, to say that it grows.
	grown       = 1. / 20
	mostGarbage = 400
)

// gcPercent is the GOGC of a process with so many bytes alive, and so many at the collection before.
func gcPercent(alive, before uint64) int {
	least := uint64(leastGarbage)
	if float64(alive) > float64(before)*(1+grown) {
		least = growingGarbage
	}
	return int(min(max(garbage*100/max(alive, 1), least), mostGarbage))
}

// boundGarbage sets GOGC anew after each collection, until ctx ends.
func boundGarbage(ctx context.Context) {
	b := &bounds{ctx: ctx, alive: []metrics.Sample{{Name: "/gc/heap/live:bytes"}}}
	b.watch()
}

type bounds struct {
	ctx     context.Context
	alive   []metrics.Sample
	before  uint64 // bytes alive at the collection before
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
	metrics.Read(b.alive)
	alive := b.alive[0].Value.Uint64()
	next := gcPercent(alive, b.before)
	b.before = alive
	if change := next - b.percent; change > b.percent/8 || -change > b.percent/8 { // each change stops the world
		debug.SetGCPercent(next)
		b.percent = next
	}
}
