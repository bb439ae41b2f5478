package node

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"session-manager/node/etcd"
	"session-manager/node/ownership"
	"session-manager/node/store"
)

const (
	// firstSetback and longestSetback bound the pause before a cliente that could not be taken is tried again.
	firstSetback   = 500 * time.Millisecond
	longestSetback = 5 * time.Second
	// manySetbacks is how many in a row are taken for trouble of all: then one cliente tries for the others.
	manySetbacks = 3
	// setbackShown is how long the last one says why this node takes nothing: one that should run is tried
	// again within a sweep.
	setbackShown = 30 * time.Second
	// setbackLogged is between two lines of the log about the same trouble.
	setbackLogged = time.Minute
	// mostSetbacks bounds what is remembered of clientes that nobody asks for any more.
	mostSetbacks = 10_000
)

// setbacks keep what could not be taken from being tried again at once: each try costs etcd two revisions,
// and each caller who waits would wait in vain. Guarded by keeper.mu.
type setbacks struct {
	of     map[ownership.Cliente]setback
	row    int       // failures in a row, of whichever clientes
	next   time.Time // where there were many in a row: when one may try for all
	last   *setbackError
	at     time.Time // of the last
	logged time.Time
}

// setback is what one cliente met.
type setback struct {
	failures int
	until    time.Time
}

// setbackError is why a cliente could not be taken a moment ago. Whoever asks meanwhile is told at once.
type setbackError struct{ cause error }

func (e *setbackError) Error() string { return e.cause.Error() }
func (e *setbackError) Unwrap() error { return e.cause }

// hold returns why the cliente is not tried now, nil where it may be.
func (s *setbacks) hold(c ownership.Cliente, now time.Time) error {
	if now.Before(s.of[c].until) {
		return s.last
	}
	if s.row < manySetbacks {
		return nil
	}
	if now.Before(s.next) {
		return s.last
	}
	s.next = now.Add(setbackPause(s.row)) // this one tries for all
	return nil
}

// failed books a failure, and says whether the log should tell.
func (s *setbacks) failed(c ownership.Cliente, err *setbackError, now time.Time) (tell bool) {
	if s.of == nil || len(s.of) >= mostSetbacks {
		s.of = make(map[ownership.Cliente]setback)
	}
	failures := s.of[c].failures + 1
	s.of[c] = setback{failures, now.Add(setbackPause(failures))}
	s.row++
	tell = s.row == 1 || now.Sub(s.logged) >= setbackLogged
	s.next = now.Add(setbackPause(s.row))
	s.last, s.at = err, now
	if tell {
		s.logged = now
	}
	return tell
}

// worked books that the cliente was taken, and says whether many could not be before.
func (s *setbacks) worked(c ownership.Cliente) (over bool) {
	delete(s.of, c)
	over = s.row >= manySetbacks
	s.row = 0
	if over {
		clear(s.of)
	}
	return over
}

// setbackPause is the pause after the n-th failure, with up to a quarter more so that not all try at once.
func setbackPause(n int) time.Duration {
	d := min(firstSetback<<min(n-1, 10), longestSetback)
	return d + rand.N(d/4)
}

// setBack books that a cliente could not be taken, where trying again at once would fail likewise, and
// returns what its waiters are told.
func (k *keeper) setBack(en *entry, cause error) error {
	by := hindrance(cause)
	if by == "" || en.lease.Passed(time.Now()) {
		return cause
	}
	err := &setbackError{cause}
	k.mu.Lock()
	tell := k.setbacks.failed(en.cliente, err, time.Now())
	if k.setbacks.row >= manySetbacks {
		k.flush(err)
	}
	k.mu.Unlock()
	k.metrics.setbacks.WithLabelValues(by).Inc()
	if tell {
		k.log.Error("clientes cannot be taken here: this goes on by itself when it works again, and is tried again ever more rarely until then",
			"cliente", en.cliente, "by", by, "err", cause)
	}
	return err
}

// hindrance names what keeps a cliente from being taken, in a way that time alone does not cure; "": nothing.
func hindrance(cause error) string {
	var refusal *etcd.Refusal
	switch {
	case errors.Is(cause, ownership.ErrFenced), errors.Is(cause, context.Canceled):
		return ""
	case errors.Is(cause, store.ErrUnavailable):
		return "store"
	case errors.As(cause, &refusal):
		return "etcd"
	}
	return ""
}

// taken books that a cliente was taken.
func (k *keeper) taken(c ownership.Cliente) {
	k.mu.Lock()
	over := k.setbacks.worked(c)
	k.mu.Unlock()
	if over {
		k.log.Info("clientes can be taken here again")
		k.recovered.Raise()
	}
}

// Setback is why clientes could not be taken here a moment ago, nil where they could.
func (k *keeper) Setback() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.setbacks.row == 0 || time.Since(k.setbacks.at) > setbackShown {
		return nil
	}
	return k.setbacks.last
}
