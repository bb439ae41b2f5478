package faults

import (
	"context"
	"math"
	"time"
)

const (
	joinLimit = 2 * time.Minute
	joinShare = 10.0 // per cent by which the new node's part may differ from a fair one
)

func join(ctx context.Context, w *world, r *Result) error {
	l := w.startLoad(w.o.Rate)
	defer l.end()
	if err := sleep(ctx, warmUp); err != nil {
		return err
	}
	begun := time.Now()
	n, err := w.AddNode(ctx)
	if err != nil {
		return err
	}
	fair := float64(len(w.clientes)) / (nodes + 1)
	off, reached := math.NaN(), math.NaN()
	for time.Since(begun) < joinLimit {
		owned, err := w.ownedBy(ctx)
		if err != nil {
			return err
		}
		off = 100 * (float64(len(owned[n.Name()]))/fair - 1)
		if math.Abs(off) <= joinShare && math.IsNaN(reached) {
			reached = time.Since(begun).Seconds()
			w.o.say("%s has %d clientes after %.1f s", n.Name(), len(owned[n.Name()]), reached)
		}
		// What is reached must last: a while more, then it is enough.
		if time.Since(begun).Seconds() > reached+20 {
			break
		}
		if err := sleep(ctx, time.Second); err != nil {
			return err
		}
	}
	r.atMost("share off the fair part", math.Abs(off), "%", joinShare)
	r.atMost("share reached after", reached, "s", joinLimit.Seconds())
	r.spread("gap", w.watch.gaps(w.clientes, begun, time.Now()), 0, 500*time.Millisecond, 0)
	return w.finish(ctx, r, l, 0, -1, 0)
}
