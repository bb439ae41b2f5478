package store

import (
	"fmt"

	"github.com/google/uuid"
	"go.mau.fi/util/dbutil"
	"go.mau.fi/whatsmeow/proto/waAdv"
	wastore "go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/util/keys"
	waLog "go.mau.fi/whatsmeow/util/log"
)

// deviceQuery reads all that a login needs of cliente $1 at once: whatsmeow's own way is three statements. What
// else a session begins with comes last: the number of uploaded prekeys, that of the last event, and whether
// the release before has left something in the outbox; the sends that are open (open.go) and what the cliente has
// to rest take the places of %s.
const deviceQuery = `SELECT d.jid, d.lid, d.registration_id, d.noise_key, d.identity_key,
		d.signed_pre_key, d.signed_pre_key_id, d.signed_pre_key_sig,
		d.adv_key, d.adv_details, d.adv_account_sig, d.adv_account_sig_key, d.adv_device_sig,
		d.platform, d.business_name, d.push_name, d.facebook_uuid, d.lid_migration_ts, d.companion_meta_nonce,
		(SELECT count(*) FROM whatsmeow_pre_keys p WHERE p.jid = d.jid AND p.uploaded = true),
		(SELECT COALESCE(MAX(e.sequence), 0) FROM events e WHERE e.cliente = c.cliente),
		EXISTS (SELECT 1 FROM outbox o WHERE o.cliente = c.cliente), (%s), %s
	FROM clientes c JOIN whatsmeow_device d ON d.jid = c.jid WHERE c.cliente = $1`

// beside is what comes with a device.
type beside struct {
	prekeys   int
	lastEvent int64
	outbox    bool
	open      []byte
	rest      rest
}

// scanDevice is the device of a row of deviceQuery, still without stores. A test compares it with
// what whatsmeow's own store makes of the row.
func scanDevice(row dbutil.Scannable) (device *wastore.Device, also beside, err error) {
	d := wastore.Device{Log: waLog.Noop, SignedPreKey: &keys.PreKey{}, Account: &waAdv.ADVSignedDeviceIdentity{}}
	var noise, identity, signed, signature []byte
	var facebook uuid.NullUUID
	err = row.Scan(&d.ID, &d.LID, &d.RegistrationID, &noise, &identity,
		&signed, &d.SignedPreKey.KeyID, &signature,
		&d.AdvSecretKey, &d.Account.Details, &d.Account.AccountSignature, &d.Account.AccountSignatureKey, &d.Account.DeviceSignature,
		&d.Platform, &d.BusinessName, &d.PushName, &facebook, &d.LIDMigrationTimestamp, &d.CompanionMetaNonce,
		&also.prekeys, &also.lastEvent, &also.outbox, &also.open, &also.rest.left, &also.rest.cause)
	if err != nil {
		return nil, also, err
	}
	if len(noise) != 32 || len(identity) != 32 || len(signed) != 32 || len(signature) != 64 {
		return nil, also, fmt.Errorf("device %s: %w", d.ID, sqlstore.ErrInvalidLength)
	}
	pairs := pairsOf([][32]byte{[32]byte(noise), [32]byte(identity), [32]byte(signed)})
	d.NoiseKey, d.IdentityKey, d.SignedPreKey.KeyPair = &pairs[0], &pairs[1], pairs[2]
	d.SignedPreKey.Signature = (*[64]byte)(signature)
	d.FacebookUUID = facebook.UUID
	return &d, also, nil
}
