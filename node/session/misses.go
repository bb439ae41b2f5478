package session

import (
	"errors"
	"fmt"
	"time"
)

// misses are what went wrong since a connection was steady last. What a connection's end asks for
// follows from them, by next, which knows no clock and does no I/O.
//
// Invariants:
//   - they fall to 0 when a connection has lasted for steady, or somebody orders it; neither READY,
//     nor a request, nor a panic makes them forgotten;
//   - a rest ends by itself, but for one that only an order ends.
type misses struct {
	attempts  int // connections that ended, or did not come about
	fruitless int // of an unpaired account, in a row: those that came to no QR code
	strikes   int // what another attempt alone does not cure
	rests     int // in ERROR
}

// facts are what is known of a connection that has ended.
type facts struct {
	paired bool
	opened bool          // a socket was asked for
	shown  bool          // it came to a QR code
	lasted time.Duration // since READY, or since the first QR code; 0: it came to neither
	most   int           // attempts of an unpaired account before it is in ERROR
}

// verdict is what a connection's end asks for. The session moves to state, "" for none, and then
// waits; what it waits for is one of pause and rest.
type verdict struct {
	end         error // the session ends with it
	state       State
	code        string
	err         error
	delete      bool        // the stored device is not valid any more
	restriction Restriction // is stored with that
	forget      bool        // the next connection begins with what is stored
	refresh     bool        // WhatsApp Web's version is looked up first; where that fails, next is asked about unrefreshed
	pause       time.Duration
	rest        time.Duration // until then, unless a request comes; 0 and resting: until one does
	resting     bool
	tooSoon     time.Duration // a rest heeds no request before
	orderOnly   bool          // only an order ends the rest
	late        time.Duration // how long the next connection waits in the state that it begins with
}

// unrefreshed is the end of a connection with a version that WhatsApp refuses, and of which no
// newer one could be had.
type unrefreshed struct{ err error }

const (
	// steady is how long a connection must last for what went wrong before to be forgotten.
	steady       = time.Minute
	maxBackoff   = 30 * time.Second
	firstBackoff = 500 * time.Millisecond
	// maxStoreBackoff is the longest pause between two looks whether the credential store is back.
	maxStoreBackoff = 2 * time.Second
	// restInError is how long a session in ERROR rests the first time; each further rest is twice as long.
	restInError    = 10 * time.Minute
	maxRestInError = 4 * time.Hour
	// tooSoonInError is for how long the first rest in ERROR heeds no request: callers poll, and each
	// poll would else be another login.
	tooSoonInError = 10 * time.Second
	// banPause is how long a ban without an end is waited for, and the most for one with.
	banPause = time.Hour
	// minBanPause is how soon a ban is asked after at the earliest, whatever its end.
	minBanPause = 5 * time.Second
	// maxReplaced is how often a session that owns its account takes it back from whoever
	// else uses its credentials before it gives up.
	maxReplaced   = 3
	replacedPause = 5 * time.Second
)

var (
	errOutdated = errors.New("WhatsApp refuses this version of WhatsApp Web (405)")
	errReplaced = errors.New("another client connected with this account's credentials")
)

// next is what the end of a connection asks for.
func (m *misses) next(ending any, f facts) verdict {
	if f.lasted >= steady {
		*m = misses{}
	}
	switch end := ending.(type) {
	case restart: // after pairing the server asks for a new connection
		m.fruitless = 0
		return verdict{}
	case ordered:
		*m = misses{}
		return verdict{forget: true}
	case expired:
		return verdict{end: ErrPairingExpired}
	case lost:
		return m.lost(end, f)
	case refused:
		m.attempts++
		return verdict{state: end.state, code: end.code, err: end.err, delete: true, forget: true, resting: true, late: again(m.attempts)}
	case restricted:
		v := verdict{state: DisconnectedBanned, code: codeBanned, err: errors.New(end.Reason), forget: true, resting: true, orderOnly: true}
		if !end.stored {
			v.delete, v.restriction = true, end.Restriction
		}
		return v
	case banned:
		m.attempts++
		pause := banPause
		if end.expires > 0 {
			pause = min(max(end.expires, minBanPause), banPause)
		}
		return verdict{state: DisconnectedBanned, code: codeBanned, err: end.err, pause: max(pause, again(m.attempts))}
	case broken:
		v := m.error(end.code, end.err)
		v.forget = true
		if end.code == codePanic && m.rests == 1 {
			v.tooSoon = 0 // it may have been of one request
		}
		return v
	case resting:
		return verdict{state: Error, code: crashed, err: end, resting: true, rest: end.Left, orderOnly: true}
	case outdated:
		if m.strikes++; m.strikes > 1 {
			return m.error("CLIENT_OUTDATED", errOutdated)
		}
		return verdict{state: DisconnectedRecoverable, code: "CLIENT_OUTDATED", err: errOutdated, refresh: true}
	case unrefreshed:
		return m.error("CLIENT_OUTDATED", errors.Join(errOutdated, end.err))
	case replaced:
		if m.strikes++; m.strikes > maxReplaced {
			return m.error("STREAM_REPLACED", errReplaced)
		}
		return verdict{state: DisconnectedRecoverable, code: "STREAM_REPLACED", err: errReplaced, pause: time.Duration(m.strikes) * replacedPause}
	}
	panic(fmt.Sprintf("session: no verdict on %T", ending))
}

// lost is next where the network, the server or the store is in the way for now.
func (m *misses) lost(end lost, f facts) verdict {
	m.attempts++
	v := verdict{state: DisconnectedRecoverable, code: end.code, err: end.err, pause: backoff(m.attempts)}
	if !f.paired {
		v.state = Initializing // there is nothing to reconnect: it is still on its way to its first QR
	}
	switch {
	case waitsForStore(end.code):
		if !f.opened { // WhatsApp did not notice
			v.pause = min(v.pause, maxStoreBackoff)
		}
	case f.paired:
	case f.shown, end.code == codeDeaf, end.code == codeLoginTimeout: // WhatsApp can be reached
		m.fruitless = 0
	default:
		if m.fruitless++; m.fruitless >= f.most {
			m.fruitless = 0
			return m.error(end.code, end.err)
		}
	}
	return v
}

// error is a rest in ERROR.
func (m *misses) error(code string, err error) verdict {
	m.rests++
	n := min(m.rests-1, 10)
	return verdict{
		state: Error, code: code, err: err, resting: true,
		rest: min(restInError<<n, maxRestInError), tooSoon: min(tooSoonInError<<n, restInError),
	}
}

// again is the pause before what has failed n times begins again on request: the first time, none.
func again(n int) time.Duration {
	if n <= 1 {
		return 0
	}
	return backoff(n)
}
