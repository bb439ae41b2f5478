package node

import (
	"context"
	"slices"
	"time"

	"session-manager/node/ownership"
	"session-manager/node/store"
)

// fenceStore is the store's fences.
type fenceStore interface {
	Raise(ctx context.Context, c ownership.Cliente, t ownership.Token, ended []string) (former store.Fence, settled bool, err error)
	Settle(ctx context.Context, c ownership.Cliente, t ownership.Token, certain bool, fresh time.Duration) (bool, error)
	HasStopped(ctx context.Context, c ownership.Cliente) (bool, error)
	Swap(ctx context.Context, c ownership.Cliente, old, t ownership.Token) error
	Stopped(ctx context.Context, c ownership.Cliente, t ownership.Token) error
	Forsake(ctx context.Context, c ownership.Cliente, t ownership.Token) error
}

// successions is the store's fences with the hold-back of rule 3c: after the raise, and before
// anything is read under it, no former owner may still run. One that etcd vouched for has
// stopped before its lease ended. That leaves two that may run without a lease:
//   - one that rides on the store's word: it finds the raise at its next poll. The raise
//     came first here, its note came first there, so we find its note or it finds our raise;
//   - one whose lease was ended by an accusation (rule 9): it learns so at its next renewal.
//
// Whoever is seen to end, or says that it has stopped, is not waited for.
type successions struct {
	fenceStore
	accused func(ctx context.Context, incarnation string) (bool, error)
	witness interface {
		Ended() []string
		Changed() <-chan struct{}
	}
	mine    func() []string // past lives of this node, which have ended
	process ownership.Process
	timing  ownership.Timing
}

func (s successions) Raise(ctx context.Context, c ownership.Cliente, t ownership.Token) error {
	former, settled, err := s.fenceStore.Raise(ctx, c, t, s.ended())
	if err != nil || settled {
		return err
	}
	raised := time.Now()
	notBefore := raised // an accused former owner may run until then
	if s.wasAccused(ctx, former.Process) {
		notBefore = raised.Add(s.timing.AccusedHoldBack())
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	for {
		changed := s.witness.Changed()
		early := time.Now().Before(notBefore)
		certain := slices.Contains(s.ended(), former.Process.Incarnation) || !early && time.Since(raised) >= s.timing.HoldBack
		if !certain && early {
			// The store does not know of an accusation, only of an end.
			certain, err = s.HasStopped(ctx, c)
		}
		if err == nil && (certain || !early) {
			var settled bool
			settled, err = s.Settle(ctx, c, t, certain, s.timing.Vouch+s.timing.Stop)
			if settled {
				return nil
			}
		}
		if err != nil {
			return err
		}
		timer.Reset(s.timing.Look)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// ended are the incarnations that certainly run no session of another life, "" that of nobody.
func (s successions) ended() []string {
	return slices.Concat([]string{"", s.process.Incarnation}, s.mine(), s.witness.Ended())
}

// wasAccused says whether a lease did not run out but was ended. Where etcd does not answer,
// that is assumed.
func (s successions) wasAccused(ctx context.Context, p ownership.Process) bool {
	ctx, cancel := context.WithTimeout(ctx, s.timing.RenewTimeout)
	defer cancel()
	accused, err := s.accused(ctx, p.Incarnation)
	return accused || err != nil
}
