package api

import (
	"context"
	"errors"
	"time"
)

// What a read says decides whether a message goes out: the hub asks for the state before each send, and
// refuses where it is not READY. So a read waits a moment for a session that has just begun, or has just
// lost its connection, and never tells a state that is a guess.

// ErrPending: nothing was answered, as nobody knows the session's state yet.
var ErrPending = errors.New("the session's state is not known yet")

const (
	// readWait is how long a read waits for READY, and for the state to be known before it is asked for
	// anew. The callers' clock is 5 s.
	readWait = 2 * time.Second
	// fresh is how long after it set out a session is waited for. One that takes longer is in trouble,
	// and its callers want to know of it.
	fresh = 10 * time.Second
)

// use is what a snapshot is good for.
type use uint8

const (
	telling use = iota // it can be told
	waiting            // the next one will be better, probably soon
	nothing            // it must not be told
	moved              // the session is not here any more
)

// useOf is what can be done with a snapshot at a moment.
func useOf(now Snapshot, at time.Time) use {
	switch {
	case now.Ending:
		return moved
	case now.Pending:
		return nothing
	case (now.State == Reconnecting || now.State == DisconnectedRecoverable) && at.Sub(now.Since) < fresh:
		return waiting
	}
	return telling
}

// settled is a snapshot to be told: of READY, where that comes within readWait. ErrMoved, ErrPending.
func settled(life context.Context, s Session) (Snapshot, error) {
	if now := s.Snapshot(); useOf(now, time.Now()) == telling {
		return now, nil
	}
	return await(life, s, telling)
}

// known waits, as settled does, for a state that is known.
func known(life context.Context, s Session) error {
	_, err := await(life, s, waiting)
	return err
}

// await is a snapshot that is good for want, or that can be told once the time is up.
func await(life context.Context, s Session, want use) (Snapshot, error) {
	timer := time.NewTimer(readWait)
	defer timer.Stop()
	for over := false; ; {
		changed := s.Changed()
		now := s.Snapshot()
		switch u := useOf(now, time.Now()); {
		case u <= want, u == waiting && over:
			return now, nil
		case u == moved:
			return now, ErrMoved
		case over:
			return now, ErrPending
		}
		select {
		case <-changed:
		case <-timer.C:
			over = true
		case <-life.Done():
			over = true
		}
	}
}
