// Package smoke uses a cluster that runs somewhere as its callers do, while somebody else
// disturbs it: it pairs accounts at the emulator, holds the answers against the HTTP contract,
// sends and is written to all the time, and counts. It knows nothing of the cluster but the
// address of its load balancer.
package smoke

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"session-manager/bench/cluster"
	"session-manager/bench/emulator"
	"session-manager/node/ownership"
)

// The accounts write to friend, and writer writes to them. They are two, since letters that
// cross on one ratchet need no disturbance to go wrong: that is a case of its own (bench faults).
const (
	friend = "5491199999999"
	writer = "5491199999998"
)

// Options say which cluster, and for how long.
type Options struct {
	URL      string // of the load balancer
	Emulator string // of its control API
	APIKey   string // "": the cluster asks for none
	Clientes int    // to pair, one at least
	// Disturb runs while the cluster is used, which ends when it returns; its error is one of
	// the run.
	Disturb func(ctx context.Context) error
	// Longest is what a message may take from the first try to its acknowledgement, tries
	// included: what takes longer has not come back.
	Longest time.Duration
	// Incoming, where not nil, gets the ID of each message that the cluster has acknowledged to
	// WhatsApp, one a line: all of them must be among its events.
	Incoming io.Writer
	Out      io.Writer
}

// smoke is a run.
type smoke struct {
	Options
	client *cluster.Client
	phones *emulator.Control
}

// Run returns an error where an answer was not the contract's, a message was lost or doubled, a
// send failed for good or took too long, or the referee saw what must not be.
func Run(ctx context.Context, o Options) error {
	s := &smoke{Options: o, client: cluster.NewClient(o.URL), phones: emulator.Dial(o.Emulator)}
	s.client.APIKey = o.APIKey
	defer s.phones.Close()
	for _, number := range []string{friend, writer} {
		if _, err := s.phones.AddPhone(ctx, number, "Friend"); err != nil && !errors.Is(err, emulator.ErrConflict) {
			return err
		}
	}
	if err := s.pair(ctx); err != nil {
		return err
	}
	if err := s.contract(ctx); err != nil {
		return fmt.Errorf("contract: %w", err)
	}
	t := newTraffic(s)
	using, stop := context.WithCancel(ctx)
	defer stop()
	used := make(chan struct{})
	go func() { t.run(ctx, using.Done()); close(used) }()
	disturbed := o.Disturb(ctx)
	stop()
	<-used
	t.tell()
	return errors.Join(disturbed, t.judge(ctx))
}

// pair links each cliente to a phone by the picture of its QR code.
func (s *smoke) pair(ctx context.Context) error {
	begun := time.Now()
	for n := range s.Clientes {
		c := ownership.Cliente(n + 1)
		pairing, cancel := context.WithTimeout(ctx, time.Minute)
		status, err := cluster.Pair(pairing, s.client, s.phones, c, cluster.NumberOf(c))
		cancel()
		if err != nil {
			return fmt.Errorf("pair cliente %s: %w", c, err)
		}
		if !status.CanSend || status.NeedsQR || status.Cliente != c {
			return fmt.Errorf("pair cliente %s: READY, but the status is %+v", c, status)
		}
	}
	fmt.Fprintf(s.Out, "%d clientes paired by QR code in %v\n", s.Clientes, time.Since(begun).Round(time.Millisecond))
	return nil
}
