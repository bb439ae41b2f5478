package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	wastore "go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types"

	"session-manager/node/ownership"
)

// Account is one cliente's state under one ownership. Every write fails with
// ownership.ErrFenced, after ending the ownership, where the fence holds another token.
type Account struct {
	guard
	container *sqlstore.Container
	events    eventLog

	mu        sync.Mutex   // guards what follows
	installed *fencedStore // of the present device: it knows what is stored
	open      []Send       // as the load of the device has found them
}

// Account is the state of the cliente that hold owns.
func (s *Store) Account(hold *ownership.Hold) *Account {
	return &Account{
		guard:  guard{store: s, hold: hold},
		events: eventLog{turn: make(chan struct{}, 1)},
		// One container an account: a container's cache of LIDs has one lock, held over reads.
		container: sqlstore.NewWithWrappedDB(s.db, nil),
	}
}

// Device is the cliente's WhatsApp device with fenced stores, or a new one to be paired where
// there is none. ErrCorrupt: there is one that cannot be read. A *RestError: it must not be used for a while.
func (a *Account) Device(ctx context.Context) (*wastore.Device, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	device, also, err := scanDevice(a.store.db.QueryRow(typed(ctx), fmt.Sprintf(deviceQuery, a.store.openSends(), a.store.resting()),
		append([]any{int64(a.hold.Cliente())}, openSince(time.Now())...)...))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return a.withoutRow(ctx)
	case err != nil:
		return nil, a.fail(ctx, err)
	case also.rest.err() != nil:
		return nil, also.rest.err()
	}
	a.install(device, false).uploaded.Store(int64(also.prekeys) + 1)
	a.found(also.lastEvent, also.outbox)
	if err := a.foundOpen(also.open); err != nil {
		return nil, fmt.Errorf("open sends of cliente %s: %w", a.hold.Cliente(), err)
	}
	return device, nil
}

// withoutRow is the device of a cliente that has no row of one: a new one, unless it should have it, or
// is not to have any.
func (a *Account) withoutRow(ctx context.Context) (*wastore.Device, error) {
	var jid sql.NullString
	var why Restriction
	var since int64
	var r rest
	err := a.store.db.QueryRow(ctx, "SELECT jid, restriction, restriction_reason, restricted_at, "+a.store.resting()+" FROM clientes c WHERE cliente = $1", int64(a.hold.Cliente())).
		Scan(&jid, &why.Code, &why.Reason, &since, &r.left, &r.cause)
	switch {
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return nil, a.fail(ctx, err)
	case why.Code != 0:
		why.Since = fromMicros(since)
		restricted := &RestrictedError{Restriction: why}
		if device, err := types.ParseJID(jid.String); err == nil && device.User != "" {
			restricted.Phone = "+" + device.User
		}
		return nil, restricted
	case jid.Valid:
		return nil, fmt.Errorf("cliente %s: device %q has no row: %w", a.hold.Cliente(), jid.String, ErrCorrupt)
	case r.err() != nil:
		return nil, r.err()
	}
	return a.fresh(), nil
}

// unreadable says whether an error comes from what a row holds, not from how it was had.
func unreadable(err error) bool {
	return errors.Is(err, sqlstore.ErrInvalidLength) || strings.Contains(err.Error(), "sql: Scan error") // database/sql has no sentinel
}

// Answers returns nil when the store writes for this ownership, and has room for more.
func (a *Account) Answers(ctx context.Context) error {
	if _, err := a.put(ctx, "UPDATE clientes SET created_at = created_at FROM f WHERE cliente = $1"); err != nil {
		return err
	}
	return a.fail(ctx, a.store.Room(ctx))
}

// fresh is a device to be paired; its stores come with its first save.
func (a *Account) fresh() *wastore.Device {
	device := a.container.NewDevice()
	device.Container = (*deviceContainer)(a)
	return device
}

// install gives the device our stores in place of whatsmeow's: those that it had before, unless it
// is a new one.
func (a *Account) install(device *wastore.Device, anew bool) *fencedStore {
	a.mu.Lock()
	if anew || a.installed == nil || a.installed.jid != *device.ID {
		a.installed = newFencedStore(a, *device.ID)
	}
	stores := a.installed
	a.mu.Unlock()
	device.SetAllStores(stores)
	device.LIDs = stores.lids
	device.Container = (*deviceContainer)(a)
	device.Initialized = true
	return stores
}

// deviceContainer is the account as whatsmeow's container of one device.
type deviceContainer Account

// PutDevice saves the device row, and on pairing makes it the cliente's.
func (c *deviceContainer) PutDevice(ctx context.Context, device *wastore.Device) error {
	a := (*Account)(c)
	if device.ID == nil {
		return sqlstore.ErrDeviceIDMustBeSet
	}
	first := !device.Initialized
	err := a.txn(ctx, func(ctx context.Context) error {
		if first {
			if err := c.displace(ctx, *device.ID); err != nil {
				return err
			}
		}
		if err := a.container.PutDevice(ctx, device); err != nil {
			return err
		}
		// The row may have been deleted since the raise: see Forsake.
		_, err := a.store.db.Exec(ctx, `INSERT INTO clientes (cliente, jid, created_at, paired) VALUES ($1, $2, $3, true)
			ON CONFLICT (cliente) DO UPDATE SET jid = excluded.jid, paired = true, restriction = 0`, int64(a.hold.Cliente()), device.ID.String(), micros(time.Now()))
		return err
	})
	if first {
		// whatsmeow's PutDevice has put its own stores in, whether it succeeded or not. Later
		// saves leave them, and other goroutines read them.
		a.install(device, true)
	}
	return err
}

// displace removes what is stored of a former device under a JID that WhatsApp has now given
// to a new one: saving would keep the former's keys.
func (c *deviceContainer) displace(ctx context.Context, jid types.JID) error {
	a := (*Account)(c)
	if err := a.forgetDevice(ctx, jid); err != nil {
		return err
	}
	_, err := a.store.db.Exec(ctx, "UPDATE clientes SET jid = NULL WHERE jid = $1", jid.String())
	return err
}

// forgetDevice deletes all that is stored of a device.
func (a *Account) forgetDevice(ctx context.Context, jid types.JID) error {
	if _, err := a.store.db.Exec(ctx, "DELETE FROM whatsmeow_device WHERE jid = $1", jid.String()); err != nil {
		return err
	}
	// Privacy tokens alone do not go with their device.
	_, err := a.store.db.Exec(ctx, "DELETE FROM whatsmeow_privacy_tokens WHERE our_jid = $1", jid.String())
	return err
}

// DeleteDevice forgets a device that was logged out, with its keys; whatsmeow calls it by itself.
func (c *deviceContainer) DeleteDevice(ctx context.Context, device *wastore.Device) error {
	a := (*Account)(c)
	if device.ID == nil {
		return sqlstore.ErrDeviceIDMustBeSet
	}
	return a.txn(ctx, func(ctx context.Context) error {
		if err := a.forgetDevice(ctx, *device.ID); err != nil {
			return err
		}
		_, err := a.store.db.Exec(ctx, "UPDATE clientes SET jid = NULL WHERE cliente = $1 AND jid = $2", int64(a.hold.Cliente()), device.ID.String())
		return err
	})
}
