package store

import "context"

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
