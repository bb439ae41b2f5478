package cluster

import (
	"context"
	"fmt"
	"strings"

	"session-manager/bench/emulator"
)

// judged are the referee's counters that must stay 0 in a cluster that keeps its promise, with
// the events that explain each.
func judged(s emulator.Stats) []struct {
	name  string
	count int64
	kind  string
} {
	return []struct {
		name  string
		count int64
		kind  string
	}{
		{"ratchet forks", s.RatchetForks, emulator.KindFork},
		{"overlaps", s.Overlaps, emulator.KindOverlap},
		{"undecryptable", s.Undecryptable, emulator.KindUndecryptable},
		{"empty sends", s.Empty, emulator.KindEmpty},
	}
}

// Clean asks the referee: nil while nothing happened that must not, else what did, with the
// events. Repeated message IDs are judged by what the phones show (see Copies): a send whose
// acknowledgement died with its node goes out again under its ID on purpose.
func (c *Cluster) Clean(ctx context.Context) (emulator.Stats, error) {
	stats, err := c.Emulator.Stats(ctx)
	if err != nil {
		return stats, err
	}
	var wrong []string
	for _, j := range judged(stats) {
		if j.count == 0 {
			continue
		}
		wrong = append(wrong, fmt.Sprintf("%d %s", j.count, j.name))
		events, err := c.Emulator.Events(ctx, 0)
		if err != nil {
			return stats, err
		}
		for _, e := range events {
			if e.Kind == j.kind {
				wrong = append(wrong, fmt.Sprintf("#%d %s %s login %d id %s: %s", e.N, e.At.Format("15:04:05.000"), e.Device, e.Login, e.ID, e.Detail))
			}
		}
	}
	if wrong != nil {
		return stats, fmt.Errorf("referee: %s", strings.Join(wrong, "\n  "))
	}
	return stats, nil
}

// Shown is how often a phone shows a text, and under how many IDs: once means once.
func (c *Cluster) Shown(ctx context.Context, number, text string) (shown int, copies int, err error) {
	inbox, err := c.Emulator.Inbox(ctx, number)
	for _, m := range inbox {
		if m.Text == text {
			shown++
			copies += m.Copies
		}
	}
	return shown, copies, err
}

// Acknowledged finds the receipt by which an account's device took a message from a phone: it
// has it among its events by then. ok is false while there is none.
func (c *Cluster) Acknowledged(ctx context.Context, number, id string, since int64) (receipt emulator.Event, ok bool, err error) {
	events, err := c.Emulator.Events(ctx, since)
	for _, e := range events {
		if e.Kind == emulator.KindReceipt && e.Number == number && e.ID == id && e.Detail != "retry" {
			return e, true, nil
		}
	}
	return emulator.Event{}, false, err
}

// WaitAcknowledged polls until Acknowledged.
func (c *Cluster) WaitAcknowledged(ctx context.Context, number, id string, since int64) (receipt emulator.Event, err error) {
	err = Await(ctx, fmt.Sprintf("message %s to %s acknowledged", id, number), func(ctx context.Context) (bool, string, error) {
		e, ok, err := c.Acknowledged(ctx, number, id, since)
		receipt = e
		return ok, "no receipt", err
	})
	return receipt, err
}

// WaitShownOnce polls until a phone shows a text, and is an error where it shows it more
// than once.
func (c *Cluster) WaitShownOnce(ctx context.Context, number, text string) error {
	shown := 0
	err := Await(ctx, fmt.Sprintf("%q on phone %s", text, number), func(ctx context.Context) (bool, string, error) {
		var err error
		shown, _, err = c.Shown(ctx, number, text)
		return shown > 0, "not there", err
	})
	if err == nil && shown != 1 {
		err = fmt.Errorf("phone %s shows %q %d times", number, text, shown)
	}
	return err
}
