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
	// While sessions start, what stays lies scattered between what goes, and its pages never come back,
	// however low GOGC is set afterwards: 5,000 idle ones take 134 KB each where 256 MB may gather then,
	// 117 at 25 %, and 112 at 12 %, but starting them takes a quarter longer.
	leastGarbage = 25
	mostGarbage  = 400
)

// gcPercent is the GOGC of a process with so many bytes alive.
func gcPercent(alive uint64) int {
	return int(min(max(garbage*100/max(alive, 1), leastGarbage), mostGarbage))
}

// boundGarbage sets GOGC anew after each collection, until ctx ends.
func boundGarbage(ctx context.Context) {
	b := &bounds{ctx: ctx, alive: []metrics.Sample{{Name: "/gc/heap/live:bytes"}}}
	b.watch()
}

type bounds struct {
	ctx     context.Context
	alive   []metrics.Sample
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
	next := gcPercent(b.alive[0].Value.Uint64())
	if change := next - b.percent; change > b.percent/8 || -change > b.percent/8 { // each change stops the world
		debug.SetGCPercent(next)
		b.percent = next
	}
}
