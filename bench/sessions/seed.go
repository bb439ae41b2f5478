package sessions

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/util/dbutil"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waAdv"
	wastore "go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/util/keys"
	"google.golang.org/protobuf/proto"

	"session-manager/bench/emulator"
	"session-manager/bench/floor"
	"session-manager/node/ownership"
)

const (
	seedBatch = 250 // devices linked and stored at once
	// oneTimeKeys are enough that neither a login nor a first letter has a client make more.
	oneTimeKeys = 12
)

// Seed gives clientes first to first+n-1 to a cluster, paired, by its store. Its nodes find them
// with their next sweep.
func Seed(ctx context.Context, phones *emulator.Control, store string, first ownership.Cliente, n int) error {
	return seed(ctx, phones, store, n, func(i int) string { return productNumber(first + ownership.Cliente(i)) },
		func(ctx context.Context, db *dbutil.Database, i int, jid types.JID) error {
			_, err := db.Exec(ctx, "INSERT INTO clientes (cliente, jid, created_at) VALUES ($1, $2, $3)", int64(first)+int64(i), jid.String(), time.Now().UnixMicro())
			return err
		})
}

// seedClientes gives the product clientes first to first+n-1.
func (a *arena) seedClientes(ctx context.Context, first ownership.Cliente, n int) error {
	return Seed(ctx, a.Emulator, a.store, first, n)
}

// seedRival gives the rival accounts first to first+n-1 in its store.
func (a *arena) seedRival(ctx context.Context, first, n int) error {
	return seed(ctx, a.Emulator, a.rivalStore, n, func(i int) string { return rivalNumber(first + i) },
		func(context.Context, *dbutil.Database, int, types.JID) error { return nil })
}

// seed links n devices at the emulator and writes to a store what pairing them would have left
// there. also adds to the transaction of the i-th.
func seed(ctx context.Context, phones *emulator.Control, store string, n int, number func(i int) string,
	also func(ctx context.Context, db *dbutil.Database, i int, jid types.JID) error) error {
	raw, dialect, err := floor.OpenDB(store)
	if err != nil {
		return err
	}
	defer raw.Close()
	db, err := dbutil.NewWithDB(raw, dialect)
	if err != nil {
		return err
	}
	container := sqlstore.NewWithWrappedDB(db, nil)
	for done := 0; done < n; done += seedBatch {
		seeds := make([]*seedling, min(seedBatch, n-done))
		for i := range seeds {
			seeds[i] = newSeedling(container)
		}
		if err := link(ctx, phones, seeds, func(i int) string { return number(done + i) }); err != nil {
			return err
		}
		err := db.DoTxn(ctx, nil, func(ctx context.Context) error {
			for i, s := range seeds {
				if err := s.store(ctx, db, container); err != nil {
					return err
				}
				if err := also(ctx, db, done+i, *s.device.ID); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("store what is seeded: %w", err)
		}
	}
	return nil
}

// seedling is a device with its one-time keys, before it is stored.
type seedling struct {
	device  *wastore.Device
	oneTime []*keys.PreKey
}

func newSeedling(container *sqlstore.Container) *seedling {
	s := &seedling{device: container.NewDevice()}
	for i := range oneTimeKeys {
		s.oneTime = append(s.oneTime, keys.NewPreKey(uint32(i+1)))
	}
	return s
}

// link has the emulator link them, and signs what whatsmeow signs at a pairing.
func link(ctx context.Context, phones *emulator.Control, seeds []*seedling, number func(i int) string) error {
	order := make([]emulator.Linking, len(seeds))
	for i, s := range seeds {
		d := s.device
		order[i] = emulator.Linking{
			Number: number(i), Name: "Account " + number(i), Registration: d.RegistrationID, Noise: d.NoiseKey.Pub[:], Identity: d.IdentityKey.Pub[:],
			SignedKey: d.SignedPreKey.Pub[:], Signature: d.SignedPreKey.Signature[:],
		}
		for _, key := range s.oneTime {
			order[i].OneTimeKeys = append(order[i].OneTimeKeys, key.Pub[:])
		}
	}
	linked, err := phones.Link(ctx, order)
	if err != nil {
		return err
	}
	for i, l := range linked {
		identity := &waAdv.ADVSignedDeviceIdentity{}
		jid, err1 := types.ParseJID(l.Device)
		lid, err2 := types.ParseJID(l.LID)
		if err := errors.Join(err1, err2, proto.Unmarshal(l.Identity, identity)); err != nil {
			return fmt.Errorf("linked device %s: %w", l.Device, err)
		}
		d := seeds[i].device
		message := slices.Concat(whatsmeow.AdvDeviceSignaturePrefix, identity.Details, d.IdentityKey.Pub[:], identity.AccountSignatureKey)
		signature := ecc.CalculateSignature(ecc.NewDjbECPrivateKey(*d.IdentityKey.Priv), message)
		identity.DeviceSignature = signature[:]
		d.ID, d.LID, d.Account, d.Platform = &jid, lid, identity, "android"
	}
	return nil
}

// store writes the rows of a pairing and of the first upload of keys.
func (s *seedling) store(ctx context.Context, db *dbutil.Database, container *sqlstore.Container) error {
	d := s.device
	if err := container.PutDevice(ctx, d); err != nil {
		return err
	}
	phone := d.LID.ToNonAD()
	if err := d.LIDs.PutLIDMapping(ctx, phone, d.ID.ToNonAD()); err != nil {
		return err
	}
	if err := d.Identities.PutIdentity(ctx, phone.SignalAddress().String(), [32]byte(d.Account.AccountSignatureKey)); err != nil {
		return err
	}
	var values []string
	args := []any{d.ID.String()}
	for _, key := range s.oneTime {
		values = append(values, fmt.Sprintf("($1, $%d, $%d, true)", len(args)+1, len(args)+2))
		args = append(args, int64(key.KeyID), key.Priv[:])
	}
	_, err := db.Exec(ctx, "INSERT INTO whatsmeow_pre_keys (jid, key_id, key, uploaded) VALUES "+strings.Join(values, ", "), args...)
	return err
}
