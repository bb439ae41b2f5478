package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
)

// eventLog numbers the events of one account. The numbers go on from the stored maximum, which nobody but the
// owner moves: there is no row that counts, and only the first statement looks for the maximum.
//
// Invariants:
//   - one event is stored at a time, so that none is stored while a lower number is under way;
//   - after an error the maximum is read again, since what was written is unknown; a number is never used twice.
type eventLog struct {
	turn chan struct{} // capacity 1: held by whoever stores an event, or moves the outbox

	// What follows is used by whoever has the turn.
	last  int64 // number; valid while known
	known bool
	moved bool // nothing of this cliente is left in the outbox
}

// take waits for the turn, and brings the log up to date; give ends it.
func (a *Account) take(ctx context.Context) error {
	select {
	case a.events.turn <- struct{}{}:
	case <-ctx.Done():
		return a.fail(ctx, context.Cause(ctx))
	}
	err := a.readLog(ctx)
	if err != nil {
		a.give()
	}
	return err
}

func (a *Account) give() { <-a.events.turn }

// readLog finds the last number, unless it is known. The caller has the turn.
func (a *Account) readLog(ctx context.Context) error {
	if !a.events.known {
		if err := a.stands(ctx); err != nil { // from here on nobody else adds to the log
			return err
		}
		last, err := get(ctx, &a.guard, func(ctx context.Context) (last int64, err error) {
			err = a.store.db.QueryRow(ctx, "SELECT COALESCE(MAX(sequence), 0) FROM events WHERE cliente = $1", int64(a.hold.Cliente())).Scan(&last)
			return last, err
		})
		if err != nil {
			return err
		}
		a.events.last, a.events.known = last, true
	}
	if a.events.moved {
		return nil
	}
	err := a.moveOutbox(ctx)
	if errors.Is(err, ErrRefused) { // it is not the caller's value, which must come again
		return fmt.Errorf("%w: move the outbox of cliente %s: %v", ErrFailed, a.hold.Cliente(), err)
	}
	return err
}

// found books what the load of the device has found of the log. It was read under the fence's present token.
func (a *Account) found(last int64, outbox bool) {
	select {
	case a.events.turn <- struct{}{}:
		defer a.give()
	default:
		return // somebody stores an event, and so knows better
	}
	if a.events.known {
		return
	}
	a.events.last, a.events.known, a.events.moved = last, true, a.events.moved || !outbox
	if outbox && a.hold.Context().Err() == nil {
		a.begin()
		go func() { // it ends with the ownership, and Quiesce waits for it
			defer a.done()
			if a.take(a.hold.Context()) == nil {
				a.give()
			}
		}()
	}
}

// newEventID returns an event's ID, which is unique and sorts by time.
func newEventID(at time.Time) string {
	return "evt_" + strings.ToLower(ulid.MustNew(ulid.Timestamp(at), ulid.DefaultEntropy()).String())
}
