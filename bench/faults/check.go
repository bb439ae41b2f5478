package faults

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"session-manager/bench/cluster"
)

// takeLimit is how long after the end of the load incoming messages may still be on their way.
const takeLimit = 15 * time.Second

// mostLogins is the bar of every scenario: more logins of one device in 10 s, and WhatsApp takes it for
// an attack.
const mostLogins = 6

// check compares what callers were told with what the phones have, asks the referee and the
// audit, and tells it all. The load has ended. overlaps says how many sockets may have
// overlapped: none, but where processes were paused (-1: any).
func (w *world) check(ctx context.Context, r *Result, l *load, overlaps int) error {
	r.noteAll("harness: %s", w.troubles)
	stuck, err := w.untaken(ctx, l)
	if err != nil {
		return err
	}
	untaken := stuck
	if len(stuck) > 0 {
		// WhatsApp gives what was not acknowledged again at the next login: one is forced.
		if err := w.dropAll(ctx); err != nil {
			return err
		}
		if untaken, err = w.untaken(ctx, l); err != nil {
			return err
		}
	}
	r.atMost("incoming that waits for the next login", float64(len(stuck)), "", 0)
	r.noteAll("not acknowledged before the next login: %s", stuck)
	lost, doubled, err := w.compareInTime(ctx, l)
	if err != nil {
		return err
	}
	r.never("lost sent", len(lost))
	r.noteAll("acknowledged, and not on the phone: %s", texts(lost))
	r.never("lost incoming", len(untaken))
	r.noteAll("written to a cliente, and never acknowledged: %s", untaken)
	r.never("doubled", len(doubled))
	r.noteAll("doubled: %s", doubled)
	var told []string
	for _, s := range lost {
		told = append(told, s.id)
	}
	for _, letter := range untaken {
		id, _, _ := strings.Cut(letter, " ")
		told = append(told, id)
	}
	if err := w.stories(ctx, r, told); err != nil {
		return err
	}
	stats, err := w.Emulator.Stats(ctx)
	if err != nil {
		return err
	}
	r.never("forks", int(stats.RatchetForks-w.begun.RatchetForks))
	if n := int(stats.Undecryptable - w.begun.Undecryptable); w.forgetful {
		r.tell("undecryptable", float64(n), "")
	} else {
		r.never("undecryptable", n)
	}
	r.never("empty sends", int(stats.Empty-w.begun.Empty))
	if n := float64(stats.Overlaps - w.begun.Overlaps); overlaps < 0 {
		r.tell("overlaps", n, "")
	} else {
		r.atMost("overlaps", n, "", float64(overlaps))
	}
	r.atMost("most logins of one device in 10 s", float64(stats.MostLogins10s), "", mostLogins)
	r.tell("conflicts", float64(stats.Conflicts-w.begun.Conflicts), "")
	r.tell("same ID again", float64(stats.Duplicates-w.begun.Duplicates), "")
	w.watch.mu.Lock()
	var judged []string
	for _, e := range w.watch.judged {
		judged = append(judged, fmt.Sprintf("#%d %s %s %s login %d %s", e.N, e.At.Format("15:04:05.000"), e.Kind, e.Device, e.Login, e.Detail))
	}
	w.watch.mu.Unlock()
	r.noteAll("referee: %s", judged)
	if w.audit == nil {
		return nil
	}
	return w.audit.sum(ctx, r)
}

// mostStories is how many messages are told of: they are mostly alike.
const mostStories = 3

// stories tells what became of messages, by their IDs: what the emulator saw, and what the nodes said.
func (w *world) stories(ctx context.Context, r *Result, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	events, err := w.Emulator.Events(ctx, 0)
	for _, id := range ids[:min(len(ids), mostStories)] {
		var seen []string
		for _, e := range events {
			if e.ID == id {
				seen = append(seen, fmt.Sprintf("%s %s %s login %d peer %s code %d %s", e.At.Format("15:04:05.000"), e.Kind, e.Device, e.Login, e.Peer, e.Code, e.Detail))
			}
		}
		for _, n := range w.Nodes() {
			for _, line := range linesWith(n, id) {
				seen = append(seen, n.Name()+": "+line)
			}
		}
		r.noteAll("story of "+id+": %s", seen)
	}
	return err
}

// untaken are the letters that no device has acknowledged within takeLimit.
func (w *world) untaken(ctx context.Context, l *load) (ids []string, err error) {
	waiting, cancel := context.WithTimeout(ctx, takeLimit)
	defer cancel()
	left := slices.Clone(l.letters)
	_ = w.watch.await(waiting, func() bool { // in time or not: what is left tells
		left = slices.DeleteFunc(left, func(m letter) bool { return w.watch.receipts[cluster.NumberOf(m.cliente)+" "+m.id] })
		return len(left) == 0
	})
	for _, m := range left {
		ids = append(ids, fmt.Sprintf("%s to cliente %s, at %s", m.id, m.cliente, m.at.Format("15:04:05.000")))
	}
	return ids, ctx.Err()
}

// compareInTime is compare, once nothing is lost or no time is left: the server acknowledges a message
// before the phone can tell that it must ask for it again.
func (w *world) compareInTime(ctx context.Context, l *load) (lost []*send, doubled []string, err error) {
	for end := time.Now().Add(takeLimit); ; {
		lost, doubled, err = w.compare(ctx, l)
		if err != nil || len(lost) == 0 || time.Now().After(end) {
			return lost, doubled, err
		}
		if err := sleep(ctx, lookEvery); err != nil {
			return nil, nil, err
		}
	}
}

// compare looks for every send on the phone that it was for. A text is one send's own, so one
// that is shown twice went out under two IDs.
func (w *world) compare(ctx context.Context, l *load) (lost []*send, doubled []string, err error) {
	shown := make(map[string]int)
	for n := range friends {
		inbox, err := w.Emulator.Inbox(ctx, friend(n))
		if err != nil {
			return nil, nil, err
		}
		for _, m := range inbox {
			shown[m.Text]++
		}
	}
	for _, s := range l.sends {
		if s.id != "" && shown[s.text] == 0 {
			lost = append(lost, s)
		}
		if shown[s.text] > 1 {
			doubled = append(doubled, fmt.Sprintf("%s is shown %d times, begun %s, %d tries before", s.text, shown[s.text], s.begun.Format("15:04:05.000"), len(s.failed)))
		}
	}
	return lost, doubled, nil
}

func texts(lost []*send) (all []string) {
	for _, s := range lost {
		all = append(all, fmt.Sprintf("%s (%s), begun %s, acknowledged after %v, %d tries before", s.text, s.id, s.begun.Format("15:04:05.000"), s.wait, len(s.failed)))
	}
	return all
}
