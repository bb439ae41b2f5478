package store

import (
	"context"
	"time"

	"session-manager/node/ownership"
)

// Forsake deletes what is stored of a cliente that was never paired, where its fence stands at token: that
// of the owner that gives it up, or of the last one. The fence stays: a raise to any token succeeds where
// there is none, also of an owner that was paused since before.
//
// A raise that comes at the same moment may find the row yet, and then have none. Nothing of an owner relies
// on it; pairing writes it.
func (s *Store) Forsake(ctx context.Context, c ownership.Cliente, token ownership.Token) error {
	_, err := s.db.Exec(ctx, "WITH f AS "+s.dialect.materialized()+
		" (SELECT 1 AS one FROM fences WHERE cliente = $1 AND generation = $2 AND revision = $3 "+s.dialect.share()+`)
		DELETE FROM clientes WHERE cliente = $1 AND jid IS NULL AND NOT paired AND restriction = 0 AND EXISTS (SELECT 1 FROM f)`,
		int64(c), token.Generation, token.Revision)
	return s.wrap(err)
}

// NeverPaired returns up to limit clientes that have existed for age and were never paired, with the tokens
// of their fences.
func (s *Store) NeverPaired(ctx context.Context, age time.Duration, limit int) (map[ownership.Cliente]ownership.Token, error) {
	rows, err := s.db.Query(ctx, `SELECT c.cliente, f.generation, f.revision FROM clientes c JOIN fences f ON f.cliente = c.cliente
		WHERE c.jid IS NULL AND NOT c.paired AND c.restriction = 0 AND c.created_at < $1 LIMIT $2`, micros(time.Now().Add(-age)), limit)
	if err != nil {
		return nil, s.wrap(err)
	}
	defer rows.Close()
	all := make(map[ownership.Cliente]ownership.Token)
	for rows.Next() {
		var c ownership.Cliente
		var token ownership.Token
		if err := rows.Scan(&c, &token.Generation, &token.Revision); err != nil {
			return nil, s.wrap(err)
		}
		all[c] = token
	}
	return all, s.wrap(rows.Err())
}
