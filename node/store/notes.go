package store

import (
	"context"
	"fmt"
	"time"

	"go.mau.fi/util/dbutil"

	"session-manager/node/ownership"
)

// A process that etcd does not vouch for may ride on the store's word (protocol rule 5). It
// says so in a note, which it renews with each poll; a successor raises the fence first and
// looks for the note then. Whichever of the two was first: either the successor finds a fresh
// note and holds back, or the poll finds the fence raised and the session ends. That is why a
// note is committed before its poll reads, and a raise before the note is read.
//
// Whether a note is fresh is told by the database's clock alone. A stale one is as good as
// none, so nobody needs to clear another's.

// Standing is what a poll found.
type Standing struct {
	Generation int64                      // of the cluster, by the store's birth
	Clientes   map[ownership.Cliente]bool // whose fences are still this process's
	Moved      bool                       // this is not the database that the birth speaks of (rule 13)
}

// Poll renews this process's note, and then reads which of its fences still stand. It has
// connections of its own, so that no crowd of writers can keep it waiting. Calls may overlap.
func (s *Store) Poll(ctx context.Context) (Standing, error) {
	_, err := s.riding.ExecContext(ctx, `INSERT INTO notes (incarnation, node, noted_at, touched_at, stopped_generation, stopped_revision)
		VALUES ($1, $2, `+s.dialect.now()+`, `+s.dialect.now()+`, 0, 0)
		ON CONFLICT (incarnation) DO UPDATE SET noted_at = excluded.noted_at, touched_at = excluded.touched_at`, s.process.Incarnation, s.process.Node)
	if err != nil {
		return Standing{}, s.wrap(err)
	}
	rows, err := s.riding.QueryContext(ctx, `SELECT 0, generation, `+s.lineage.same()+` FROM birth
		UNION ALL SELECT cliente, generation, true FROM fences WHERE incarnation = $1`, s.process.Incarnation)
	if err != nil {
		return Standing{}, s.wrap(err)
	}
	defer rows.Close()
	st := Standing{Clientes: make(map[ownership.Cliente]bool)}
	for rows.Next() {
		var c ownership.Cliente
		var generation int64
		var same bool
		if err := rows.Scan(&c, &generation, &same); err != nil {
			return Standing{}, s.wrap(err)
		}
		if c == 0 {
			st.Generation, st.Moved = generation, !same
		} else {
			st.Clientes[c] = true
		}
	}
	return st, s.wrap(rows.Err())
}

// EndNote says that this process does not ride any more.
func (s *Store) EndNote(ctx context.Context) error {
	_, err := s.riding.ExecContext(ctx, "UPDATE notes SET noted_at = 0, touched_at = "+s.dialect.now()+" WHERE incarnation = $1", s.process.Incarnation)
	return s.wrap(err)
}

// Stopped says that this process's session of the cliente under token has wholly ended, so
// that its successor need not hold back.
func (s *Store) Stopped(ctx context.Context, c ownership.Cliente, token ownership.Token) error {
	_, err := s.riding.ExecContext(ctx, `UPDATE fences SET stopped_generation = $2, stopped_revision = $3
		WHERE cliente = $1 AND (stopped_generation < $2 OR stopped_generation = $2 AND stopped_revision < $3)`,
		int64(c), token.Generation, token.Revision)
	return s.wrap(err)
}

// AllStopped says that no session of this process runs under a token up to the given one.
func (s *Store) AllStopped(ctx context.Context, token ownership.Token) error {
	_, err := s.riding.ExecContext(ctx, `INSERT INTO notes (incarnation, node, noted_at, touched_at, stopped_generation, stopped_revision)
		VALUES ($1, $2, 0, `+s.dialect.now()+`, $3, $4)
		ON CONFLICT (incarnation) DO UPDATE SET noted_at = 0, touched_at = excluded.touched_at, stopped_generation = excluded.stopped_generation, stopped_revision = excluded.stopped_revision`,
		s.process.Incarnation, s.process.Node, token.Generation, token.Revision)
	return s.wrap(err)
}

// Settle books that the former owner of the cliente cannot run any more, so that token's may
// start. certain: the caller knows that it cannot. Otherwise the store must: it has no note of
// the former owner that was fresh within the time of fresh, or knows its session to have stopped. It
// returns false where the caller must hold back. ownership.ErrFenced: token is not the fence's.
func (s *Store) Settle(ctx context.Context, c ownership.Cliente, token ownership.Token, certain bool, fresh time.Duration) (bool, error) {
	d := s.dialect
	result, err := s.db.Exec(ctx, `UPDATE fences SET settled = true
		WHERE cliente = $1 AND generation = $2 AND revision = $3 AND (`+d.boolean(4)+`
			OR former_generation < stopped_generation OR former_generation = stopped_generation AND former_revision <= stopped_revision
			OR NOT EXISTS (SELECT 1 FROM notes WHERE incarnation = former_incarnation AND noted_at > `+d.now()+` - `+d.bigint(5)+`
				AND (stopped_generation < former_generation OR stopped_generation = former_generation AND stopped_revision < former_revision)))`,
		int64(c), token.Generation, token.Revision, certain, fresh.Microseconds())
	if err != nil {
		return false, s.wrap(err)
	}
	n, err := result.RowsAffected()
	if err != nil || n == 1 {
		return err == nil, s.wrap(err)
	}
	f, _, err := s.Fence(ctx, c)
	if err == nil && f.Token != token {
		err = fmt.Errorf("cliente %s: token %s against %s: %w", c, token, f.Token, ownership.ErrFenced)
	}
	return false, err
}

// HasStopped says whether the former owner of the cliente is known to have stopped.
func (s *Store) HasStopped(ctx context.Context, c ownership.Cliente) (bool, error) {
	var stopped bool
	err := s.db.QueryRow(ctx, `SELECT f.former_generation < f.stopped_generation OR f.former_generation = f.stopped_generation AND f.former_revision <= f.stopped_revision
			OR COALESCE(f.former_generation < n.stopped_generation OR f.former_generation = n.stopped_generation AND f.former_revision <= n.stopped_revision, false)
		FROM fences f LEFT JOIN notes n ON n.incarnation = f.former_incarnation WHERE f.cliente = $1`, int64(c)).Scan(&stopped)
	return stopped, s.wrap(err)
}

// Riders are the incarnations whose notes were renewed within the time of fresh.
func (s *Store) Riders(ctx context.Context, fresh time.Duration) (map[string]bool, error) {
	rows, err := s.db.Query(ctx, "SELECT incarnation FROM notes WHERE noted_at > "+s.dialect.now()+" - "+s.dialect.bigint(1), fresh.Microseconds())
	list, err := dbutil.ConvertRowFn[string](dbutil.ScanSingleColumn[string]).NewRowIter(rows, err).AsList()
	if err != nil {
		return nil, s.wrap(err)
	}
	riders := make(map[string]bool, len(list))
	for _, incarnation := range list {
		riders[incarnation] = true
	}
	return riders, nil
}

// Swap brings the fence of a running session from this process's old token to its new one,
// which is greater. A swap that was made already is no error. ownership.ErrFenced: the fence is
// neither. After any other error it may have been swapped or not, and Swap may be called again.
func (s *Store) Swap(ctx context.Context, c ownership.Cliente, old, token ownership.Token) error {
	result, err := s.db.Exec(ctx, `UPDATE fences SET generation = $2, revision = $3
		WHERE cliente = $1 AND generation = $4 AND revision = $5 AND incarnation = $6`,
		int64(c), token.Generation, token.Revision, old.Generation, old.Revision, s.process.Incarnation)
	if err != nil {
		return s.wrap(err)
	}
	n, err := result.RowsAffected()
	if err != nil || n == 1 {
		return s.wrap(err)
	}
	f, _, err := s.Fence(ctx, c)
	if err == nil && (f.Token != token || f.Process != s.process) {
		err = fmt.Errorf("cliente %s: token %s against %s: %w", c, old, f.Token, ownership.ErrFenced)
	}
	return err
}
