package store

import (
	"context"

	"session-manager/node/ownership"
)

// whatsmeow goes on after an error of its store: a message that could not be decrypted because
// the database was away is asked for again and acknowledged, and so lost; a device that could not
// be encrypted for is left out. It stops only where its ctx has ended. So whoever gives it a ctx
// has that ended by the store, before the error returns.

type onFailure struct{}

// OnFailure returns a ctx under which failed is called for each call of an account that the
// database did not carry out (ErrUnavailable), before that call returns.
func OnFailure(ctx context.Context, failed func(error)) context.Context {
	return context.WithValue(ctx, onFailure{}, failed)
}

func tellFailure(ctx context.Context, err error) {
	if failed, ok := ctx.Value(onFailure{}).(func(error)); ok {
		failed(err)
	}
}

// complain logs, once in a while, that a statement was not carried out. Where the database is only asked
// for too much, very many are under way: most of these wait for a connection.
func (s *Store) complain(c ownership.Cliente, err error) {
	s.failure.Do(func() {
		attributes := []any{"cliente", c, "store", s.address, "err", err}
		if s.dialect.compound() { // of SQLite's one connection the others wait elsewhere
			attributes = append(attributes, "under_way", s.db.RawDB.Stats().OpenConnections)
		}
		s.log.Warn("the credential store did not carry out a statement, the caller is to try again", attributes...)
	})
}
