package store

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// whatsmeow guards an account's ratchets against its own sends alone. A message that arrives while
// one to the same contact is encrypted loads the ratchet that the other is about to store, and one
// of the two steps is lost: the next message takes a key that was used already. So here whoever
// loads ratchets to step them has them to itself until they are stored: a send (sending.go), a
// decryption (its transaction), and what whatsmeow sends again for a retry receipt, or to its own
// phone. The last loads one ratchet by itself, and nothing tells when it gives up instead of
// storing it: so its turn is a loan, which ends by itself. Whoever has outlived a loan may have been
// overtaken, so what is stored alone must be the next step from what stands.
//
// As only the account's owner steps ratchets, and every step is stored before its frame leaves, the
// latest are kept in memory: a stale owner's step fails at the fence as before.
type ratchets struct {
	turn   chan struct{}                  // capacity 1: held by whoever steps ratchets
	latest *simplelru.LRU[string, []byte] // by Signal address, as stored; nil: none is stored. Used by whoever has the turn

	lending time.Duration // see lendTime

	mu   sync.Mutex // guards lent; held over no wait
	lent *loan      // nil: the turn is nobody's loan
}

// loan is the turn of somebody who has loaded one ratchet, and will store it in a moment.
type loan struct {
	address string
	end     *time.Timer
}

// lendTime is far more than passes between the load of a ratchet and its store: a key is looked up and
// stored, and a message encrypted.
const lendTime = 3 * time.Second

// keptRatchets bounds the memory of one account: a ratchet has some 2 to 4 KB.
const keptRatchets = 16

// errRatchetMoved: somebody else has stepped a ratchet between its load and its store. whatsmeow
// acknowledges a retry receipt that it could not answer, unless it was cancelled: this way the receipt
// comes again.
var errRatchetMoved = fmt.Errorf("the ratchet has moved on: %w", context.Canceled)

func newRatchets() *ratchets {
	latest, err := simplelru.NewLRU[string, []byte](keptRatchets, nil)
	if err != nil {
		panic(err) // the size is a constant above 0
	}
	return &ratchets{turn: make(chan struct{}, 1), latest: latest, lending: lendTime}
}

// take waits for the turn; give ends it.
func (r *ratchets) take(ctx context.Context) error {
	select {
	case r.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (r *ratchets) give() { <-r.turn }

// lend passes the caller's turn on to whoever stores the ratchet of an address.
func (r *ratchets) lend(address string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := &loan{address: address}
	l.end = time.AfterFunc(r.lending, func() { r.recall(l) })
	r.lent = l
}

// recall ends a loan that nobody has come back from.
func (r *ratchets) recall(l *loan) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lent == l {
		r.lent = nil
		r.give()
	}
}

// claim returns with the turn: the one that was lent for this address, or a new one.
func (r *ratchets) claim(ctx context.Context, address string) error {
	r.mu.Lock()
	if l := r.lent; l != nil && l.address == address {
		defer r.mu.Unlock()
		l.end.Stop()
		r.lent = nil
		return nil
	}
	r.mu.Unlock()
	return r.take(ctx)
}

// forget forgets what is in memory: something may not be stored as it is there.
func (r *ratchets) forget() { r.latest.Purge() }

// last returns a ratchet as it is stored, nil where that is not in memory. The caller has the turn.
func (r *ratchets) last(address string) []byte {
	ratchet, _ := r.latest.Get(address)
	return ratchet
}

// load returns ratchets as they are stored. The caller has the turn.
func (s *fencedStore) load(ctx context.Context, addresses []string) (map[string][]byte, error) {
	found := make(map[string][]byte, len(addresses))
	var missing []string
	for _, address := range addresses {
		if ratchet, ok := s.ratchets.latest.Get(address); ok {
			found[address] = ratchet
		} else {
			missing = append(missing, address)
		}
	}
	if len(missing) == 0 {
		return found, nil
	}
	read, err := s.readSessions(ctx, missing)
	if err != nil {
		return nil, err
	}
	for _, address := range missing {
		found[address] = read[address]
		s.ratchets.latest.Add(address, read[address])
	}
	return found, nil
}

// readSessions reads ratchets: those of a message with all else that it needs (prefetch.go).
func (s *fencedStore) readSessions(ctx context.Context, addresses []string) (map[string][]byte, error) {
	if sendingOf(ctx) != nil && len(addresses) <= maxPrefetch && s.store.dialect.compound() {
		return s.prefetch(ctx, addresses)
	}
	return get(ctx, s.guard, func(ctx context.Context) (map[string][]byte, error) {
		return s.SQLStore.GetManySessions(ctx, addresses)
	})
}

// GetManySessions loads the ratchets of a send, which has them to itself from now on.
func (s *fencedStore) GetManySessions(ctx context.Context, addresses []string) (map[string][]byte, error) {
	sending := sendingOf(ctx)
	if sending == nil {
		if err := s.ratchets.take(ctx); err != nil {
			return nil, err
		}
		defer s.ratchets.give()
	} else if err := sending.take(ctx, s.ratchets); err != nil {
		return nil, err
	}
	return s.load(ctx, addresses)
}

// GetSession loads one ratchet: of a decryption, or to step it alone.
func (s *fencedStore) GetSession(ctx context.Context, address string) ([]byte, error) {
	alone := !s.hasTurn(ctx)
	if alone {
		if err := s.ratchets.take(ctx); err != nil {
			return nil, err
		}
	}
	found, err := s.load(ctx, []string{address})
	switch {
	case !alone:
	case err == nil:
		s.ratchets.lend(address)
	default:
		s.ratchets.give()
	}
	return found[address], err
}

// PutSession stores one ratchet: of a decryption, or of whoever has loaded it alone.
func (s *fencedStore) PutSession(ctx context.Context, address string, ratchet []byte) error {
	if s.hasTurn(ctx) {
		return s.putSessions(ctx, map[string][]byte{address: mended(s.ratchets.last(address), ratchet)})
	}
	if err := s.ratchets.claim(ctx, address); err != nil {
		return err
	}
	defer s.ratchets.give()
	stands, err := s.load(ctx, []string{address})
	if err != nil {
		return err
	}
	if !follows(stands[address], ratchet) {
		tellFailure(ctx, errRatchetMoved) // what could not be answered comes again with the next login
		return errRatchetMoved
	}
	return s.putSessions(ctx, map[string][]byte{address: ratchet})
}
