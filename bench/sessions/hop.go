package sessions

import (
	"context"
	"fmt"

	"session-manager/bench/report"
)

// hops adds a node that owns nothing, and sends texts one by one: each at the owner and through
// the other node, in changing order, so that both meet the same machine.
func (w *writers) hops(ctx context.Context, pairs int, into *report.Scenario) error {
	second, err := w.AddNode(ctx)
	if err != nil {
		return err
	}
	if err := w.acquainted(ctx); err != nil {
		return err
	}
	w.reach()
	defer second.Kill()  // what is measured after this is of one node again
	for i := range w.n { // it opens its connection to the owner
		if _, err := w.text(ctx, w.callers[1], i, -1); err != nil {
			return err
		}
	}
	var adds99, adds50, direct, hopped []float64
	for round := range w.env.Rounds {
		w.batch++
		var waits [2][]float64
		_, _, err := w.spent(ctx, w.node().PID(), func() error {
			for n := range 2 * pairs {
				at := (n/2 + round + n) % 2 // the owner first, then the other first
				wait, err := w.text(ctx, w.callers[at], n/2%w.n, n)
				if err != nil {
					return fmt.Errorf("at %s: %w", w.Nodes()[at].Name(), err)
				}
				waits[at] = append(waits[at], ms(wait))
			}
			return nil
		})
		if err != nil {
			return err
		}
		direct, hopped = append(direct, quantile(waits[0], 0.99)), append(hopped, quantile(waits[1], 0.99))
		adds99 = append(adds99, hopped[round]-direct[round])
		adds50 = append(adds50, quantile(waits[1], 0.5)-quantile(waits[0], 0.5))
	}
	into.AtMost(barHop, "a hop adds to /send, p99", "ms", adds99...)
	into.Tell("a hop adds to /send, median", "ms", adds50...)
	into.Tell("/send at the owner, one by one, p99", "ms", direct...)
	into.Tell("/send through another node, one by one, p99", "ms", hopped...)
	return nil
}
