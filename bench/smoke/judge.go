package smoke

import (
	"context"
	"errors"
	"fmt"
	"time"

	"session-manager/bench/cluster"
)

// settle is how long messages to the accounts may still be on their way when the use has ended:
// WhatsApp delivers again what nobody acknowledged once an account is back.
const settle = 30 * time.Second

// judge compares what was acknowledged with what the phones have, and asks the referee.
func (t *traffic) judge(ctx context.Context) error {
	errs := append([]error{}, t.failures...)
	for text, wait := range t.waits {
		if wait > t.Longest {
			errs = append(errs, fmt.Errorf("%q waited %v, more than %v", text, wait.Round(time.Millisecond), t.Longest))
		}
	}
	// incoming reads the emulator's events up to the end, which tell of the others' findings.
	return errors.Join(first(errs), t.incoming(ctx), t.outgoing(ctx), t.referee(ctx))
}

// first joins a few errors of a kind, and says how many there are.
func first(errs []error) error {
	const few = 5
	if len(errs) > few {
		errs = append(errs[:few:few], fmt.Errorf("and %d more", len(errs)-few))
	}
	return errors.Join(errs...)
}

// outgoing: what was acknowledged is on the friend's phone, and nothing is there twice.
func (t *traffic) outgoing(ctx context.Context) error {
	inbox, err := t.phones.Inbox(ctx, friend)
	if err != nil {
		return err
	}
	shown := make(map[string]int)
	for _, m := range inbox {
		shown[m.Text]++
	}
	var errs []error
	for text, id := range t.sent {
		switch n := shown[text]; {
		case n > 1:
			errs = append(errs, fmt.Errorf("doubled: %q is shown %d times", text, n))
		case n == 0 && id != "":
			errs = append(errs, fmt.Errorf("lost: %q was acknowledged and is not shown; what happened to %s: %+v", text, id, t.trail[id]))
		}
	}
	if shown["smoke contract"] != 1 || shown["something else"] != 0 {
		errs = append(errs, fmt.Errorf("sent under one key: shown %d times, and the other body %d", shown["smoke contract"], shown["something else"]))
	}
	return first(errs)
}

// incoming: every account took what was written to it, once it is back.
func (t *traffic) incoming(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	err := cluster.Await(ctx, "what was written to the accounts is acknowledged", func(ctx context.Context) (bool, string, error) {
		if err := t.look(ctx); err != nil {
			return false, err.Error(), nil
		}
		open, one := 0, incoming{}
		for m := range t.written {
			if !t.taken[m] {
				open, one = open+1, m
			}
		}
		return open == 0, fmt.Sprintf("%d of %d are not; what happened to one: %+v", open, len(t.written), t.trail[one.id]), nil
	})
	if t.Incoming != nil {
		for m := range t.written {
			if t.taken[m] {
				if _, err := fmt.Fprintln(t.Incoming, m.id); err != nil {
					return err
				}
			}
		}
	}
	return err
}

// referee asks the emulator. Overlaps are none of its faults here: a pause may lead to one
// (invariant C), and the referee then still sees that nothing forked.
func (t *traffic) referee(ctx context.Context) error {
	stats, err := t.phones.Stats(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(t.Out, "referee: %d forks, %d undecryptable, %d sends to nobody; %d logins, %d conflicts, %d overlaps, %d sent again under their first ID\n",
		stats.RatchetForks, stats.Undecryptable, stats.Empty, stats.Logins, stats.Conflicts, stats.Overlaps, stats.Duplicates)
	if stats.RatchetForks == 0 && stats.Undecryptable == 0 && stats.Empty == 0 {
		return nil
	}
	errs := []error{errors.New("the referee saw a fork, an undecryptable message, or a send to nobody")}
	for _, e := range t.wrong {
		errs = append(errs, fmt.Errorf("%s %s %s login %d id %s: %s", e.At.Format("15:04:05.000"), e.Kind, e.Device, e.Login, e.ID, e.Detail))
	}
	return first(errs)
}
