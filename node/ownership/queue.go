package ownership

import (
	"container/heap"
	"time"
)

// Priority orders a Queue: smaller is sooner.
type Priority uint8

const (
	Requested Priority = iota // somebody waits for an answer
	Restored                  // ran before its node went away, and must receive
)

// Queue decides who is started next, and when: by Priority, then by the caller's jitter, at
// most rate starts a second (a herd of logins is what WhatsApp bans for). It is not safe for
// concurrent use.
type Queue struct {
	interval time.Duration // between two starts; 0: no pacing
	burst    int           // starts that an idle queue lets through at once
	credit   int
	counted  time.Time // until when credit has been counted
	items    items
	index    map[Cliente]*item
}

type item struct {
	cliente  Cliente
	priority Priority
	jitter   uint64
	at       int // in the heap
}

// NewQueue paces at rate starts a second, 0 for no pacing, with up to a second's worth at once.
func NewQueue(rate int, now time.Time) *Queue {
	q := &Queue{counted: now, index: make(map[Cliente]*item)}
	if rate > 0 {
		q.interval, q.burst, q.credit = time.Second/time.Duration(rate), rate, rate
	}
	return q
}

// Push adds a cliente, or raises the priority of one that waits already. Of one priority the
// smaller jitter comes first; callers pass a random number.
func (q *Queue) Push(c Cliente, p Priority, jitter uint64) {
	it, waits := q.index[c]
	switch {
	case !waits:
		it = &item{cliente: c, priority: p, jitter: jitter}
		q.index[c] = it
		heap.Push(&q.items, it)
	case p < it.priority:
		it.priority = p
		heap.Fix(&q.items, it.at)
	}
}

// Remove takes a cliente out, where it waits.
func (q *Queue) Remove(c Cliente) {
	if it, waits := q.index[c]; waits {
		heap.Remove(&q.items, it.at)
		delete(q.index, c)
	}
}

// Len is the number that waits.
func (q *Queue) Len() int { return len(q.items) }

// Pop takes out who is to be started at now. Where nobody is, ok is false and wait tells
// when to ask again, 0 when there is nobody at all.
func (q *Queue) Pop(now time.Time) (c Cliente, ok bool, wait time.Duration) {
	if len(q.items) == 0 {
		return 0, false, 0
	}
	if q.interval > 0 {
		if earned := int(now.Sub(q.counted) / q.interval); earned > 0 {
			q.counted = q.counted.Add(time.Duration(earned) * q.interval)
			q.credit = min(q.burst, q.credit+earned)
		}
		if q.credit == 0 {
			return 0, false, q.counted.Add(q.interval).Sub(now)
		}
		q.credit--
	}
	it := heap.Pop(&q.items).(*item)
	delete(q.index, it.cliente)
	return it.cliente, true, 0
}

// items is a heap by priority, then jitter.
type items []*item

func (s items) Len() int { return len(s) }
func (s items) Less(i, j int) bool {
	if s[i].priority != s[j].priority {
		return s[i].priority < s[j].priority
	}
	return s[i].jitter < s[j].jitter
}
func (s items) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	s[i].at, s[j].at = i, j
}
func (s *items) Push(x any) {
	it := x.(*item)
	it.at = len(*s)
	*s = append(*s, it)
}
func (s *items) Pop() any {
	old := *s
	it := old[len(old)-1]
	*s = old[:len(old)-1]
	return it
}
