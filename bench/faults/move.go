package faults

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"

	"session-manager/node/ownership"
)

// mostMoved are the clientes that an operator moves by hand: more of them a drain would move.
const mostMoved = 30

// move has an operator move clientes from the node with most of them to another one, by the tool,
// one after the other.
func move(ctx context.Context, w *world, r *Result) error {
	l := w.startLoad(w.o.Rate)
	defer l.end()
	if err := sleep(ctx, warmUp); err != nil {
		return err
	}
	from, its, err := w.busiest(ctx)
	if err != nil {
		return err
	}
	to := w.Nodes()[0]
	if to == from {
		to = w.Nodes()[1]
	}
	its = its[:min(len(its), mostMoved)]
	begun := time.Now()
	for _, c := range its {
		if err := w.order(ctx, c, to.Name()); err != nil {
			return err
		}
	}
	r.tell("moved", float64(len(its)), "")
	r.spread("gap", w.watch.gaps(its, begun, time.Now()), 0, 500*time.Millisecond, 0)
	others := w.watch.gaps(without(w.clientes, its), begun, time.Now())
	r.atMost("gaps of clientes that were not moved", float64(len(others)), "", 0)
	return w.finish(ctx, r, l, 0, -1, 0)
}

// order moves a cliente as an operator does, and returns when it is there and logged in.
func (w *world) order(ctx context.Context, c ownership.Cliente, to string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, returnWait, fmt.Errorf("waited %v", returnWait))
	defer cancel()
	begun := time.Now()
	tool := exec.CommandContext(ctx, filepath.Join(w.o.BinDir, "session-manager"), "move", c.String(), "--to", to, "--url", w.Nodes()[0].URL())
	if out, err := tool.CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("%v: %w\n%s", tool.Args, err, out), context.Cause(ctx))
	}
	if _, err := w.watch.loginAfter(ctx, c, begun); err != nil {
		return fmt.Errorf("cliente %s has not logged in at %s: %w", c, to, err)
	}
	return nil
}
