package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"go.mau.fi/whatsmeow/types"
)

// Restriction is what WhatsApp has put on an account for good, as far as we know. The zero value is none.
type Restriction struct {
	Code   int // of WhatsApp's refusal
	Reason string
	Since  time.Time
}

// RestrictedError is what Device returns for a cliente under a restriction: it has no device, and none
// is to be paired.
type RestrictedError struct {
	Restriction
	Phone string // "+549..." of the device that it had, "" where it had none
}

func (e *RestrictedError) Error() string { return e.Reason }

// Forget deletes the cliente's device with its keys, for the reason of a restriction or, where that is
// the zero one, since it was logged out.
//
// Under a restriction the cliente keeps the device's name in clientes: so it is wanted, and says what it
// is, after a failover too, and a node of the release before takes it for a cliente whose credentials
// are not there, rather than for one to be paired.
func (a *Account) Forget(ctx context.Context, why Restriction) error {
	c := int64(a.hold.Cliente())
	return a.txn(ctx, func(ctx context.Context) error {
		var text sql.NullString
		err := a.store.db.QueryRow(ctx, "SELECT jid FROM clientes WHERE cliente = $1", c).Scan(&text)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if text.Valid {
			jid, err := types.ParseJID(text.String)
			if err != nil {
				return fmt.Errorf("device %q: %w", text.String, err)
			}
			if err := a.forgetDevice(ctx, jid); err != nil {
				return err
			}
		}
		if why.Code != 0 {
			_, err = a.store.db.Exec(ctx, "UPDATE clientes SET restriction = $1, restriction_reason = $2, restricted_at = $3 WHERE cliente = $4",
				why.Code, why.Reason, micros(why.Since), c)
			return err
		}
		_, err = a.store.db.Exec(ctx, "UPDATE clientes SET jid = NULL, restriction = 0, restriction_reason = '', restricted_at = 0 WHERE cliente = $1", c)
		return err
	})
}

// Lift deletes the cliente's restriction, and what is left of the device that it was put on. Where there
// is none, it does nothing.
func (a *Account) Lift(ctx context.Context) error {
	_, err := a.put(ctx, `UPDATE clientes SET jid = NULL, restriction = 0, restriction_reason = '', restricted_at = 0
		WHERE cliente = $1 AND restriction <> 0 AND EXISTS (SELECT 1 FROM f)`)
	return err
}
