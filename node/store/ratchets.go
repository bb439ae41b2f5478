package store

import (
	"bytes"
	"context"
	"errors"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// whatsmeow guards an account's ratchets against its own sends alone. A message that arrives while
// one to the same contact is encrypted loads the ratchet that the other is about to store, and one
// of the two steps is lost: the next message takes a key that was used already. So here whoever
// loads ratchets to step them has them to itself until they are stored: a send (sending.go), a
// decryption (its transaction). What whatsmeow sends again for a retry receipt loads and stores one
// by itself, and stores it only where it is still as it was loaded.
//
// As only the account's owner steps ratchets, and every step is stored before its frame leaves, the
// latest are kept in memory: a stale owner's step fails at the fence as before.
type ratchets struct {
	turn chan struct{} // capacity 1: held by whoever steps ratchets

	// What follows is used by whoever has the turn.
	latest *simplelru.LRU[string, []byte] // by Signal address, as stored; nil: none is stored
	loose  *simplelru.LRU[string, []byte] // as loaded by who steps one by itself; spent once that was stored
}

// keptRatchets bounds the memory of one account: a ratchet has some 2 to 4 KB.
const keptRatchets = 16

// spent is no ratchet: those are never empty.
var spent = []byte{}

// errRatchetMoved: a ratchet was stepped by somebody else between its load and its store.
var errRatchetMoved = errors.New("the ratchet has moved on")

func newRatchets() *ratchets {
	latest, err := simplelru.NewLRU[string, []byte](keptRatchets, nil)
	if err != nil {
		panic(err) // the size is a constant above 0
	}
	loose, err := simplelru.NewLRU[string, []byte](keptRatchets, nil)
	if err != nil {
		panic(err)
	}
	return &ratchets{turn: make(chan struct{}, 1), latest: latest, loose: loose}
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

// forget forgets what is in memory: something may not be stored as it is there.
func (r *ratchets) forget() { r.latest.Purge() }

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
	read, err := get(ctx, s.guard, func(ctx context.Context) (map[string][]byte, error) { return s.SQLStore.GetManySessions(ctx, missing) })
	if err != nil {
		return nil, err
	}
	for _, address := range missing {
		found[address] = read[address]
		s.ratchets.latest.Add(address, read[address])
	}
	return found, nil
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
		defer s.ratchets.give()
	}
	found, err := s.load(ctx, []string{address})
	if err != nil {
		return nil, err
	}
	if alone {
		s.ratchets.loose.Add(address, found[address])
	}
	return found[address], nil
}

// PutSession stores one ratchet.
func (s *fencedStore) PutSession(ctx context.Context, address string, ratchet []byte) error {
	if s.hasTurn(ctx) {
		return s.putSessions(ctx, map[string][]byte{address: ratchet})
	}
	if err := s.ratchets.take(ctx); err != nil {
		return err
	}
	defer s.ratchets.give()
	if loaded, ok := s.ratchets.loose.Get(address); ok {
		now, err := s.load(ctx, []string{address})
		if err != nil {
			return err
		}
		if !bytes.Equal(loaded, now[address]) || loaded != nil && len(loaded) == 0 {
			return errRatchetMoved
		}
		s.ratchets.loose.Add(address, spent)
	}
	return s.putSessions(ctx, map[string][]byte{address: ratchet})
}
