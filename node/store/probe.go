package store

import (
	"context"
	"crypto/rand"
	"time"
)

const (
	// probeSize is how much a probe writes: more than a message and its ratchets need, so that a
	// database that is full refuses it.
	probeSize = 16 << 10
	// probeEvery is for how long the outcome of a probe stands: very many accounts may ask at once.
	probeEvery = time.Second
)

// probe knows whether the database had room for more when somebody asked last.
type probe struct {
	turn chan struct{} // capacity 1: held by whoever asks the database; guards what follows
	at   time.Time
	err  error
}

// Room returns nil when the database takes a row that it must make room for. An update in place, or a
// small row, goes well for long after it refuses what accounts write.
func (s *Store) Room(ctx context.Context) error {
	select {
	case s.probe.turn <- struct{}{}:
		defer func() { <-s.probe.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if time.Since(s.probe.at) < probeEvery {
		return s.probe.err
	}
	err := s.putProbe(ctx)
	if ctx.Err() == nil { // else the caller gave up, which says nothing of the database
		s.probe.err, s.probe.at = err, time.Now()
	}
	return err
}

func (s *Store) putProbe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.answer)
	defer cancel()
	payload := make([]byte, probeSize)
	_, _ = rand.Read(payload) // never fails; what is random cannot be stored smaller
	_, err := s.db.Exec(ctx, `INSERT INTO probes (incarnation, payload) VALUES ($1, $2)
		ON CONFLICT (incarnation) DO UPDATE SET payload = excluded.payload`, s.process.Incarnation, payload)
	if err == nil {
		_, err = s.db.Exec(ctx, "DELETE FROM probes WHERE incarnation = $1", s.process.Incarnation)
	}
	return s.wrap(err)
}
