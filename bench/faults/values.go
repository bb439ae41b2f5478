package faults

import (
	"context"
	"time"

	"session-manager/bench/cluster"
	"session-manager/bench/emulator"
	"session-manager/node/ownership"
)

// stranger is a phone whose name no database takes as it is.
const (
	stranger     = "5491122229000"
	strangerName = "Eva\x00X"
)

// refusedValue has somebody write whose name, and whose texts, hold what Postgres refuses: this is no
// fault of the database, and nobody needs to log in again.
func refusedValue(ctx context.Context, w *world, r *Result) error {
	if _, err := w.Emulator.AddPhone(ctx, stranger, strangerName); err != nil {
		return err
	}
	w.strange = true
	begun := time.Now()
	l := w.startLoad(w.o.Rate)
	defer l.end()
	if err := sleep(ctx, w.o.For); err != nil {
		return err
	}
	r.atMost("extra logins", float64(len(w.watch.logins(begun, time.Now()))), "", 0)
	return w.finish(ctx, r, l, 0, -1, 0)
}

// streamErrors has WhatsApp break each stream soon after its login, for a while: every cliente's in one
// of the ways that there are.
func streamErrors(ctx context.Context, w *world, r *Result) error {
	l := w.startLoad(w.o.Rate)
	defer l.end()
	if err := sleep(ctx, warmUp); err != nil {
		return err
	}
	begun := time.Now()
	for n, c := range w.clientes {
		if err := w.Emulator.SetFault(ctx, brokenStreams(n, c)); err != nil {
			return err
		}
	}
	if err := w.dropAll(ctx); err != nil {
		return err
	}
	if err := sleep(ctx, w.o.For); err != nil {
		return err
	}
	if err := w.Emulator.ClearFaults(ctx); err != nil {
		return err
	}
	r.tell("broken for", time.Since(begun).Seconds(), "s")
	r.tell("logins meanwhile", float64(len(w.watch.logins(begun, time.Now()))), "")
	w.ready(ctx, r)
	return w.finish(ctx, r, l, -1, -1, 0)
}

// brokenStreams is the fault of the n-th cliente.
func brokenStreams(n int, c ownership.Cliente) emulator.Fault {
	f := emulator.Fault{Kind: emulator.FaultStreamError, Number: cluster.NumberOf(c)}
	switch n % 4 {
	case 0: // as after a pairing, but there was none
		f.Code, f.At = 515, emulator.AtLogin
	case 1: // after it was READY
		f.Code, f.At = 503, emulator.AtActive
	case 2:
		f.Tag, f.At = "xml-not-well-formed", emulator.AtActive
	default:
		f.Code, f.At = 500, emulator.AtLogin
	}
	return f
}

// dropAll has WhatsApp close all sockets, once.
func (w *world) dropAll(ctx context.Context) error {
	return w.Emulator.SetFault(ctx, emulator.Fault{Kind: emulator.FaultDrop, Number: "*"})
}
