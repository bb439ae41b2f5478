package store

import (
	"context"
	_ "embed"
	"time"
)

// Up to the release before, incoming messages went to the table outbox. An owner of that release writes there
// still; whoever takes a cliente over moves its rows into the events. An owner of that release that gets the
// cliente back finds an empty outbox, and looks there for nothing but what it would store again: that
// comes into the events once all the same, when it is moved.

//go:embed statements/move_outbox.postgres.sql
var moveOutboxPostgres string

//go:embed statements/move_outbox.sqlite.sql
var moveOutboxSQLite string

// moveBatch is how many rows one transaction moves.
const moveBatch = 2000

const deleteMoved = `DELETE FROM outbox WHERE cliente = $1 AND message_id IN
	(SELECT message_id FROM outbox WHERE cliente = $1 ORDER BY created_at, message_id LIMIT $2)`

// moveOutbox moves what is left in the outbox of this cliente. The caller has the turn of the log, whose last
// number is known.
func (a *Account) moveOutbox(ctx context.Context) error {
	for !a.events.moved {
		n, err := a.moveSome(ctx)
		if err != nil {
			a.events.known = false
			return err
		}
		a.events.last += n
		a.events.moved = n < moveBatch
	}
	return nil
}

// moveSome moves the oldest rows, and returns how many.
func (a *Account) moveSome(ctx context.Context) (n int64, err error) {
	statement := moveOutboxSQLite
	if a.store.dialect.compound() {
		statement = moveOutboxPostgres
	}
	err = a.txn(ctx, func(ctx context.Context) error {
		c, token := int64(a.hold.Cliente()), a.hold.Token()
		_, err := a.store.db.Exec(ctx, statement, c, moveBatch, a.events.last, a.store.process.Node,
			token.Generation, token.Revision, micros(time.Now()))
		if err != nil {
			return err
		}
		result, err := a.store.db.Exec(ctx, deleteMoved, c, moveBatch)
		if err != nil {
			return err
		}
		n, err = result.RowsAffected()
		return err
	})
	return n, err
}
