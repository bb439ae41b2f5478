package session

import (
	"context"
	"errors"
	"sync"
	"time"

	"session-manager/node/keyless"
	"session-manager/node/ownership"
)

// openBodies are the sends without a key of the caller's that may not be known to have ended as they did.
// A caller knows once the answer was written to it: the node that it asked says so then (Told). Until then the
// same body, sent again without a key, goes out under the ID that it has: it may have been shown.
//
//	underway -> ended (the outcome is known here) -> told: forgotten; the same body is another message
//	                                              -> not told within tellTime: open
//	underway -> open (the outcome is unknown, or the session ends)
//	open     -> underway (the same body came again)
//
// A body that comes again while an answer to it is on its way to a caller waits to learn which it is. The next
// owner finds in the store whom nobody told. After keyless.Open a body is forgotten.
type openBodies struct {
	mu     sync.Mutex // guards what follows
	bodies map[[32]byte][]*openBody
	keys   map[string]*openBody // each has the key of every request for it
	swept  time.Time
	loaded bool
}

type openBody struct {
	hash   [32]byte
	keys   []string // the first one is what it is stored under
	begun  time.Time
	state  openState
	ended  time.Time
	stored bool          // something stands in the store
	told   chan struct{} // closed once it is
}

type openState uint8

const (
	underway openState = iota
	ended
	open
)

const (
	// tellTime is how long the word that the caller has its answer may take: usually a millisecond.
	tellTime = time.Second
	// sweepOpen is how often what is too old is looked for.
	sweepOpen = time.Minute
)

// add books what the store knows of sends whose callers were not told.
func (o *openBodies) add(sends []Send) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.loaded {
		return // this session knows better by now
	}
	o.loaded = true
	for _, s := range sends {
		if o.keys[s.Key] == nil {
			o.put(&openBody{hash: s.BodyHash, keys: []string{s.Key}, begun: s.Begun, state: open, stored: true, told: make(chan struct{})})
		}
	}
}

func (o *openBodies) put(b *openBody) {
	if o.bodies == nil {
		o.bodies, o.keys = make(map[[32]byte][]*openBody), make(map[string]*openBody)
	}
	o.bodies[b.hash] = append(o.bodies[b.hash], b)
	for _, key := range b.keys {
		o.keys[key] = b
	}
}

// begin returns the key under which a body is sent that came under a minted key: its own, or that of the same
// body, whose outcome its caller may not know. The caller has the session's turn, and calls end afterwards.
func (o *openBodies) begin(ctx context.Context, key string, hash [32]byte) (*openBody, error) {
	for {
		b, wait := o.claim(key, hash)
		if b != nil {
			return b, nil
		}
		timer := time.NewTimer(time.Until(wait.ended.Add(tellTime)))
		select {
		case <-wait.told:
		case <-timer.C:
			o.mu.Lock()
			if wait.state == ended {
				wait.state = open
			}
			o.mu.Unlock()
		case <-ctx.Done():
			timer.Stop()
			return nil, ErrBusy
		}
		timer.Stop()
	}
}

// claim returns the body that a request is for, or one that must be waited for first.
func (o *openBodies) claim(key string, hash [32]byte) (b, wait *openBody) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sweep(time.Now())
	if b := o.keys[key]; b != nil && b.hash == hash { // the node that took it asks again
		b.state = underway
		return b, nil
	}
	for _, b := range o.bodies[hash] {
		switch {
		case time.Since(b.begun) > keyless.Open:
		case b.state == open:
			b.state = underway
			b.keys = append(b.keys, key)
			o.keys[key] = b
			return b, nil
		case b.state == ended && wait == nil:
			wait = b
		}
	}
	if wait != nil {
		return nil, wait
	}
	b = &openBody{hash: hash, keys: []string{key}, begun: time.Now(), told: make(chan struct{})}
	o.put(b)
	return b, nil
}

// end books how a send ended here. stored: something of it stands in the store, so that it may have left.
func (o *openBodies) end(b *openBody, stored bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	b.stored = b.stored || stored
	switch {
	case !b.stored:
		o.drop(b) // nothing has left, so the same again is the first
	case knownOutcome(err):
		b.state, b.ended = ended, time.Now()
	default:
		b.state = open
	}
}

// knownOutcome says whether the answer tells the caller what became of the message.
func knownOutcome(err error) bool {
	for _, unknown := range []error{ownership.ErrUnknownOutcome, ErrNotReady, ErrStoreUnavailable, ErrBusy, ErrNoAnswer, context.Canceled,
		ownership.ErrFenced, ownership.ErrLeaseLost, ownership.ErrNotOwner, ownership.ErrReleased, ownership.ErrHandedOver, ownership.ErrDraining} {
		if errors.Is(err, unknown) {
			return false
		}
	}
	return true
}

// tell forgets a send whose caller has its answer. It returns the key that the send is stored under; false:
// there is nothing to be booked.
func (o *openBodies) tell(key string) (string, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := o.keys[key]
	if b == nil || b.state == underway {
		return "", false
	}
	o.drop(b)
	return b.keys[0], b.stored
}

func (o *openBodies) drop(b *openBody) {
	for _, key := range b.keys {
		delete(o.keys, key)
	}
	left := o.bodies[b.hash][:0]
	for _, other := range o.bodies[b.hash] {
		if other != b {
			left = append(left, other)
		}
	}
	if o.bodies[b.hash] = left; len(left) == 0 {
		delete(o.bodies, b.hash)
	}
	close(b.told)
}

// sweep forgets what is too old.
func (o *openBodies) sweep(now time.Time) {
	if now.Sub(o.swept) < sweepOpen {
		return
	}
	o.swept = now
	for _, list := range o.bodies {
		for _, b := range append([]*openBody(nil), list...) {
			if b.state != underway && now.Sub(b.begun) > keyless.Open {
				o.drop(b)
			}
		}
	}
}

// Told says that the caller of a send without a key has its answer.
func (s *Session) Told(key string) {
	if stored, ok := s.bodies.tell(key); ok {
		s.account.Told(stored)
	}
}
