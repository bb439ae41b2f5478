package etcd

import (
	"sync"

	"session-manager/node/ownership"
)

// Kind says what an Event is about.
type Kind uint8

const (
	OwnerSet   Kind = iota // Cliente has Owner
	OwnerGone              // Cliente has lost Owner
	MemberSet              // Member is new, or has changed
	MemberGone             // Member's key is gone
)

// Event is one change of the view.
type Event struct {
	Kind       Kind
	Cliente    ownership.Cliente
	Owner      Owner
	Member     Member
	WithMember bool // OwnerGone: nodes/<owner> vanished in the same revision, so its lease ended
}

// eventQueue passes events on in order and without a bound, so that a slow reader never
// holds up the watch.
type eventQueue struct {
	out  chan Event
	wake chan struct{} // capacity 1
	stop chan struct{}
	done chan struct{}

	mu      sync.Mutex // guards pending
	pending []Event
}

func newEventQueue() *eventQueue {
	q := &eventQueue{out: make(chan Event), wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	go q.run()
	return q
}

func (q *eventQueue) add(events []Event) {
	if len(events) == 0 {
		return
	}
	q.mu.Lock()
	q.pending = append(q.pending, events...)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *eventQueue) run() {
	defer close(q.done)
	for {
		q.mu.Lock()
		events := q.pending
		q.pending = nil
		q.mu.Unlock()
		for _, e := range events {
			select {
			case q.out <- e:
			case <-q.stop:
				return
			}
		}
		if events != nil {
			continue
		}
		select {
		case <-q.wake:
		case <-q.stop:
			return
		}
	}
}

// close ends the queue; what nobody has read is dropped.
func (q *eventQueue) close() {
	close(q.stop)
	<-q.done
}
