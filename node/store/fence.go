package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"go.mau.fi/util/dbutil"

	"session-manager/node/ownership"
)

// Fence is a cliente's row in fences.
type Fence struct {
	Token   ownership.Token
	Process ownership.Process // that raised it
}

// Fence reads the fence of a cliente.
func (s *Store) Fence(ctx context.Context, c ownership.Cliente) (Fence, bool, error) {
	var f Fence
	err := s.db.QueryRow(ctx, "SELECT generation, revision, node, incarnation FROM fences WHERE cliente = $1", int64(c)).
		Scan(&f.Token.Generation, &f.Token.Revision, &f.Process.Node, &f.Process.Incarnation)
	if errors.Is(err, sql.ErrNoRows) {
		return Fence{}, false, nil
	}
	return f, err == nil, s.wrap(err)
}

// Raise brings the cliente's fence to token, where it is smaller, and returns the fence of the
// last owner that may have run (protocol rule 3b). From its return on nothing under a smaller
// token is committed; whether that owner still runs is Settle's question, unless its incarnation
// is among ended, which run nothing any more ("": there was none): then it is settled. Raising to
// a token that this process has raised to before is no error. It tries until ctx ends where the
// fence is locked or the database is slow. ownership.ErrFenced: the fence is not smaller, so the
// token is stale.
func (s *Store) Raise(ctx context.Context, c ownership.Cliente, token ownership.Token, ended []string) (former Fence, settled bool, err error) {
	for {
		var r *raised
		err := s.dialect.raising(ctx, s, func(ctx context.Context, q rower) (err error) {
			r, err = s.raise(ctx, q, c, token, ended)
			return err
		})
		if err == nil {
			return r.former, r.settled, nil
		}
		if errors.Is(err, ownership.ErrFenced) {
			return Fence{}, false, err
		}
		standing, _, readErr := s.Fence(ctx, c)
		if readErr != nil || !s.dialect.unblock(ctx, s, standing.Process, err) {
			return Fence{}, false, s.wrap(err)
		}
	}
}

// raised is what a raise found.
type raised struct {
	former  Fence
	settled bool
}

// rower is a connection to the database, or a transaction.
type rower interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// raise is one statement. Where the last owner was settled it is the former one, else the one before
// it is: that may run yet.
func (s *Store) raise(ctx context.Context, q rower, c ownership.Cliente, token ownership.Token, ended []string) (*raised, error) {
	now := micros(time.Now())
	with, args := "", []any{int64(c), token.Generation, token.Revision, s.process.Node, s.process.Incarnation, s.dialect.list(ended)}
	if s.dialect.compound() {
		with = "WITH c AS (INSERT INTO clientes (cliente, created_at) VALUES ($1, $7) ON CONFLICT (cliente) DO NOTHING) "
		args = append(args, now)
	} else if _, err := s.db.Exec(ctx, "INSERT INTO clientes (cliente, created_at) VALUES ($1, $2) ON CONFLICT (cliente) DO NOTHING", int64(c), now); err != nil {
		return nil, err
	}
	former := func(column string) string {
		return "CASE WHEN fences.settled THEN fences." + column + " ELSE fences.former_" + column + " END"
	}
	var r raised
	err := q.QueryRowContext(ctx, with+`INSERT INTO fences (cliente, generation, revision, node, incarnation, settled)
		VALUES ($1, $2, $3, $4, $5, '' IN `+s.dialect.elements(6)+`)
		ON CONFLICT (cliente) DO UPDATE SET generation = excluded.generation, revision = excluded.revision,
			node = excluded.node, incarnation = excluded.incarnation,
			settled = `+former("incarnation")+` IN `+s.dialect.elements(6)+`,
			former_generation = `+former("generation")+`, former_revision = `+former("revision")+`,
			former_node = `+former("node")+`, former_incarnation = `+former("incarnation")+`
		WHERE fences.generation < excluded.generation OR fences.generation = excluded.generation AND fences.revision < excluded.revision
		RETURNING former_generation, former_revision, former_node, former_incarnation, settled`, args...).
		Scan(&r.former.Token.Generation, &r.former.Token.Revision, &r.former.Process.Node, &r.former.Process.Incarnation, &r.settled)
	if errors.Is(err, sql.ErrNoRows) {
		return s.raisedBefore(ctx, q, c, token)
	}
	return &r, err
}

// raisedBefore is what raise returned when this process raised the fence to token.
func (s *Store) raisedBefore(ctx context.Context, q rower, c ownership.Cliente, token ownership.Token) (*raised, error) {
	var standing Fence
	var r raised
	err := q.QueryRowContext(ctx, `SELECT generation, revision, node, incarnation, settled, former_generation, former_revision, former_node, former_incarnation
		FROM fences WHERE cliente = $1`, int64(c)).
		Scan(&standing.Token.Generation, &standing.Token.Revision, &standing.Process.Node, &standing.Process.Incarnation, &r.settled,
			&r.former.Token.Generation, &r.former.Token.Revision, &r.former.Process.Node, &r.former.Process.Incarnation)
	if err != nil {
		return nil, err
	}
	if standing != (Fence{token, s.process}) {
		return nil, fmt.Errorf("cliente %s: token %s against %s: %w", c, token, standing.Token, ownership.ErrFenced)
	}
	return &r, nil
}

// guard lets writes of one ownership through, and no others.
type guard struct {
	store *Store
	hold  *ownership.Hold

	mu      sync.Mutex    // guards what follows
	under   int           // writes under way
	resting chan struct{} // closed when under is 0; nil: nobody waits
}

func (g *guard) begin() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.under++
}

func (g *guard) done() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.under--; g.under == 0 && g.resting != nil {
		close(g.resting)
		g.resting = nil
	}
}

// Quiesce returns when no write of this ownership is under way (protocol rule 6). The
// ownership has ended before, so that none begins.
func (g *guard) Quiesce() {
	g.mu.Lock()
	if g.under == 0 {
		g.mu.Unlock()
		return
	}
	if g.resting == nil {
		g.resting = make(chan struct{})
	}
	resting := g.resting
	g.mu.Unlock()
	<-resting
}

// fenced ends the ownership, and then says so: whatsmeow goes on after an error of its store
// unless its ctx has ended before (protocol rule 12).
func (g *guard) fenced() error {
	g.hold.End(ownership.ErrFenced)
	return fmt.Errorf("cliente %s: %w", g.hold.Cliente(), ownership.ErrFenced)
}

// check is the look at the clock before each write.
func (g *guard) check() error {
	if err := g.hold.Check(time.Now()); err != nil {
		return fmt.Errorf("cliente %s: %w", g.hold.Cliente(), err)
	}
	return nil
}

// fail is how an error of the database leaves: one that the end of the ownership brought
// about carries its cause, and of one that is the database's own the ctx is told first.
func (g *guard) fail(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case g.hold.Context().Err() != nil && !errors.Is(err, ownership.ErrFenced):
		return fmt.Errorf("%w: %w", context.Cause(g.hold.Context()), err)
	case unreadable(err):
		return fmt.Errorf("cliente %s: %w: %w", g.hold.Cliente(), ErrCorrupt, err)
	}
	if try := g.trying(ctx); try != nil {
		if err = try.note(err); try.lost {
			return err // the transaction is repeated
		}
	}
	if errors.Is(err, ErrRefused) {
		return err // it has been logged
	}
	err = g.store.wrap(err)
	switch {
	case errors.Is(err, ErrRefused):
		g.store.refused(g.hold.Cliente(), err)
	case errors.Is(err, ErrUnavailable):
		g.store.complain(g.hold.Cliente(), err)
		tellFailure(ctx, err)
	}
	return err
}

// inTxn marks a ctx whose transaction keeps this guard's fence as it is. Its value is an *attempt.
type inTxn struct{ guard *guard }

// trying is the attempt at a transaction that the ctx is of; nil: none of this guard's.
func (g *guard) trying(ctx context.Context) *attempt {
	try, _ := ctx.Value(inTxn{g}).(*attempt)
	return try
}

// steady is the token that a write carries, which stays the store's until release is called. A
// transaction keeps it for all that runs within.
func (g *guard) steady(ctx context.Context) (t ownership.Token, release func()) {
	if g.trying(ctx) != nil {
		return g.hold.Token(), func() {}
	}
	return g.hold.Steady()
}

// txn runs fn in a transaction that commits only where the fence holds our token. Within
// another txn of this ownership it only runs fn: the fence stands until that one ends.
func (g *guard) txn(ctx context.Context, fn func(ctx context.Context) error) error {
	return g.fail(ctx, g.transact(ctx, fn))
}

// transact is txn whose error is still as the database gave it. Where the transaction lost against
// others, fn is called again.
func (g *guard) transact(ctx context.Context, fn func(ctx context.Context) error) error {
	if err := g.check(); err != nil {
		return err
	}
	if g.trying(ctx) != nil {
		return fn(ctx)
	}
	g.begin()
	defer g.done()
	token, release := g.steady(ctx)
	defer release()
	ctx, cancel := context.WithTimeout(ctx, g.store.answer)
	defer cancel()
	for n := 1; ; n++ {
		try := new(attempt)
		err := g.attempt(ctx, token, try, fn)
		if errors.Is(err, pgx.ErrTxCommitRollback) && try.first != nil {
			err = try.first // it was passed over
		}
		if !try.lost && !lostRace(err) || !pauseBefore(ctx, n) {
			return err
		}
	}
}

// attempt runs fn in a transaction, once.
func (g *guard) attempt(ctx context.Context, token ownership.Token, try *attempt, fn func(ctx context.Context) error) error {
	return g.store.db.DoTxn(ctx, nil, func(ctx context.Context) error {
		var one int
		err := g.store.db.QueryRow(ctx, "SELECT 1 FROM fences WHERE cliente = $1 AND generation = $2 AND revision = $3 "+g.store.dialect.share(),
			int64(g.hold.Cliente()), token.Generation, token.Revision).Scan(&one)
		if errors.Is(err, sql.ErrNoRows) {
			return g.fenced()
		}
		if err != nil {
			return err
		}
		return fn(context.WithValue(ctx, inTxn{g}, try))
	})
}

// read runs fn in a transaction that need not hold the fence.
func (g *guard) read(ctx context.Context, fn func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, g.store.answer)
	defer cancel()
	return g.fail(ctx, g.store.db.DoTxn(ctx, &dbutil.TxnOptions{ReadOnly: true}, fn))
}

// get is a read in one statement.
func get[T any](ctx context.Context, g *guard, read func(ctx context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, g.store.answer)
	defer cancel()
	v, err := read(ctx)
	return v, g.fail(ctx, err)
}

// stands returns nil where the fence holds our token. Tokens only grow, so it held it before.
func (g *guard) stands(ctx context.Context) error {
	token, release := g.steady(ctx)
	defer release()
	f, _, err := g.store.Fence(ctx, g.hold.Cliente())
	if err != nil {
		return g.fail(ctx, err)
	}
	if f.Token != token {
		return g.fenced()
	}
	return nil
}

// exec runs one statement that sees one row in f where the fence holds our token, and none
// where it does not. The statement's own parameters begin at $4. It returns the number of
// rows written; whether 0 means fenced depends on the statement.
func (g *guard) exec(ctx context.Context, statement string, args ...any) (int64, error) {
	n, err := g.run(ctx, statement, args...)
	return n, g.fail(ctx, err)
}

// run is exec whose error is still as the database gave it.
func (g *guard) run(ctx context.Context, statement string, args ...any) (int64, error) {
	if err := g.check(); err != nil {
		return 0, err
	}
	g.begin()
	defer g.done()
	token, release := g.steady(ctx)
	defer release()
	limit, scout := g.store.patience.begin(g.store.answer)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	d := g.store.dialect
	result, err := g.store.db.Exec(typed(ctx), "WITH f AS "+d.materialized()+
		" (SELECT 1 AS one FROM fences WHERE cliente = $1 AND generation = $2 AND revision = $3 "+d.share()+") "+statement,
		append([]any{int64(g.hold.Cliente()), token.Generation, token.Revision}, args...)...)
	g.store.patience.end(err, scout)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// put is exec that asks for the fence where no row was written: there may have been nothing
// to write.
func (g *guard) put(ctx context.Context, statement string, args ...any) (int64, error) {
	n, err := g.exec(ctx, statement, args...)
	if err == nil && n == 0 {
		err = g.stands(ctx)
	}
	return n, err
}
