package node

import (
	"context"
	"log/slog"
	"time"

	"session-manager/node/ownership"
)

// Of cleaning. It is no part of the protocol, and nothing depends on when it happens.
const (
	cleanEvery   = time.Minute
	cleanBatch   = 500                   // rows a statement: some milliseconds, in which a send may wait for the disk
	cleanPause   = 50 * time.Millisecond // between statements; so up to 5,000 rows a second, more than are sent
	cleanTimeout = 10 * time.Second      // of a statement
	cleanMuch    = 10_000                // rows in one go that are worth a line in the log
	crashesFor   = 7 * 24 * time.Hour    // after a rest, its crash says nothing any more
	unpairedFor  = time.Hour             // after which a cliente that was never paired, and has no owner, is nobody's
	textsFor     = 24 * time.Hour        // for which a text that was sent is kept: recipients ask for it again within minutes, or when they are back
	silentFor    = 24 * time.Hour        // after which a process's note is nobody's; successors wait for seconds
)

// MinRetention is the shortest time for which idempotency keys may be remembered, if not for ever:
// callers repeat for minutes, and their nodes' clocks may be wrong by as much.
const MinRetention = time.Hour

// cleaner deletes from the store what nobody needs any more: texts that were sent, sends under old idempotency
// keys, and notes of processes that are long gone. Incoming messages stay: they are somebody's yet.
//
// One node cleans at a time, the one where the ring places cliente 0, who is nobody. Two that
// disagree about it for a moment delete the same rows, which does no harm.
type cleaner struct {
	node      string
	keep      time.Duration // sends; 0: for ever
	keeper    *keeper
	placement *placement
	owned     func(c ownership.Cliente) bool // by any node
	store     interface {
		ForgetTexts(ctx context.Context, age time.Duration, limit int) (int64, error)
		ForgetSends(ctx context.Context, age time.Duration, limit int) (int64, error)
		NeverPaired(ctx context.Context, age time.Duration, limit int) (map[ownership.Cliente]ownership.Token, error)
		Forsake(ctx context.Context, c ownership.Cliente, t ownership.Token) error
		ForgetCrashes(ctx context.Context, age time.Duration) (int64, error)
		ForgetNotes(ctx context.Context, age time.Duration) (int64, error)
	}
	log     *slog.Logger
	metrics *metrics
}

// Run cleans until ctx ends.
func (c *cleaner) Run(ctx context.Context) {
	tick := time.NewTicker(cleanEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := c.clean(ctx); err != nil && ctx.Err() == nil {
			c.log.Warn("the store was not cleaned, trying again", "err", err)
		}
	}
}

// clean deletes all that is old.
func (c *cleaner) clean(ctx context.Context) error {
	if !c.mine() {
		return nil
	}
	notes, err := c.batch(ctx, func(ctx context.Context) (int64, error) { return c.store.ForgetNotes(ctx, silentFor) })
	c.metrics.cleaned.WithLabelValues("notes").Add(float64(notes))
	if err != nil {
		return err
	}
	crashes, err := c.batch(ctx, func(ctx context.Context) (int64, error) { return c.store.ForgetCrashes(ctx, crashesFor) })
	c.metrics.cleaned.WithLabelValues("crashes").Add(float64(crashes))
	if err != nil {
		return err
	}
	if err := c.forsake(ctx); err != nil {
		return err
	}
	if _, err := c.batches(ctx, "texts", textsFor, c.store.ForgetTexts); err != nil || c.keep == 0 {
		return err
	}
	all, err := c.batches(ctx, "sends", c.keep, c.store.ForgetSends)
	if all >= cleanMuch {
		c.log.Info("old idempotency keys were deleted", "rows", all, "older_than", c.keep.String())
	}
	return err
}

// batches deletes what is older than age in one table, some rows at a time, and returns how many.
func (c *cleaner) batches(ctx context.Context, table string, age time.Duration, forget func(context.Context, time.Duration, int) (int64, error)) (all int64, err error) {
	for c.mine() {
		n, err := c.batch(ctx, func(ctx context.Context) (int64, error) { return forget(ctx, age, cleanBatch) })
		c.metrics.cleaned.WithLabelValues(table).Add(float64(n))
		all += n
		if err != nil || n < cleanBatch {
			return all, err
		}
		select {
		case <-ctx.Done():
			return all, nil
		case <-time.After(cleanPause):
		}
	}
	return all, nil
}

// forsake deletes the rows of clientes that were never paired and have no owner: their nodes died, or
// somebody was still asking for them when their codes had run out.
func (c *cleaner) forsake(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, cleanTimeout)
	defer cancel()
	all, err := c.store.NeverPaired(ctx, unpairedFor, cleanBatch)
	if err != nil {
		return err
	}
	for cliente, token := range all {
		if c.owned(cliente) {
			continue
		}
		if err := c.store.Forsake(ctx, cliente, token); err != nil {
			return err
		}
		c.metrics.cleaned.WithLabelValues("clientes").Inc()
	}
	return nil
}

func (c *cleaner) batch(ctx context.Context, forget func(context.Context) (int64, error)) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, cleanTimeout)
	defer cancel()
	return forget(ctx)
}

// mine says whether it is this node that cleans.
func (c *cleaner) mine() bool {
	node, ok := c.placement.Of(0)
	return ok && node == c.node && c.keeper.Takes()
}
