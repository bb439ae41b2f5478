package emulator

import (
	"errors"
	"log/slog"
	"time"
)

// Options of an Emulator. The zero value is usable.
type Options struct {
	// Log gets one line per transition; nil is silence. Never bodies, keys or QR codes.
	Log *slog.Logger
	// RootKeySeed fixes the root key: the same seed, the same key. Empty: a random one.
	RootKeySeed []byte
	// QRFirst and QRNext are how long the first and each further QR code can be scanned;
	// zero is 60 s and 20 s, as clients rotate them. The pairing socket closes after the last.
	QRFirst, QRNext time.Duration
	// PairTimeout bounds the client's answer to an accepted scan; zero is 20 s.
	PairTimeout time.Duration
	// MaxEvents is how many events are kept; the oldest go first. Zero is 1,000,000.
	MaxEvents int
	// FewPrekeys answers the first prekey count of a device with 5 instead of 0, so that
	// whatsmeow uploads 50 one-time keys instead of 812: pairing costs an eighth. A paired device
	// gets no settings from its phone either. For load tests of anything but pairing.
	FewPrekeys bool
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.QRFirst <= 0 {
		o.QRFirst = 60 * time.Second // as whatsmeow's and the official clients' first code
	}
	if o.QRNext <= 0 {
		o.QRNext = 20 * time.Second
	}
	if o.PairTimeout <= 0 {
		o.PairTimeout = 20 * time.Second // a client that stores 812 prekeys on a busy disk needs seconds
	}
	if o.MaxEvents <= 0 {
		o.MaxEvents = 1_000_000
	}
	return o
}

// Errors of the operations; the control API maps them to 400, 404, 409 and 502.
var (
	// ErrBadInput: the request itself is wrong.
	ErrBadInput = errors.New("bad input")
	// ErrNotFound: no such phone, device or group.
	ErrNotFound = errors.New("not found")
	// ErrConflict: the code is expired or unknown, or the phone exists.
	ErrConflict = errors.New("conflict")
	// ErrPairing: the code was good and the client refused or did not answer.
	ErrPairing = errors.New("pairing refused by the client")
	// ErrClosed: the emulator is closed.
	ErrClosed = errors.New("emulator closed")
)
