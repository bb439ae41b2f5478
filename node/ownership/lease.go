package ownership

import (
	"sync/atomic"
	"time"
)

// Lease is this process's clock of its own etcd lease. It believes in the lease for less
// long than etcd does: until Margin before the lease could end at the server.
//
//	deadline = time of sending the last good renewal + granted TTL - Margin
//
// Counting from the sending, not from the answer, keeps the deadline safe however late the
// answer comes. A passed deadline stays passed: a late renewal cannot revive a Lease, since
// the sessions that hung on it are already ending.
type Lease struct {
	id       int64
	margin   time.Duration
	deadline atomic.Pointer[time.Time]
	ended    atomic.Bool
}

// NewLease starts the clock of lease id, asked for at sent and granted for ttl.
func NewLease(id int64, sent time.Time, ttl, margin time.Duration) *Lease {
	l := &Lease{id: id, margin: margin}
	d := sent.Add(ttl - margin)
	l.deadline.Store(&d)
	return l
}

// ID is the lease's ID at etcd.
func (l *Lease) ID() int64 { return l.id }

// Renewed books a renewal that was sent at sent and granted ttl. It reports false, and
// changes nothing, when the lease had already passed at now.
func (l *Lease) Renewed(sent, now time.Time, ttl time.Duration) bool {
	if l.Passed(now) {
		return false
	}
	d := sent.Add(ttl - l.margin)
	if old := l.deadline.Load(); d.After(*old) {
		l.deadline.Store(&d)
	}
	return true
}

// Deadline is the moment from which Passed is true if no renewal comes.
func (l *Lease) Deadline() time.Time { return *l.deadline.Load() }

// Passed says whether the lease may no longer be relied on at now. Either clock is enough:
// the monotonic one stands still while the machine is suspended, the wall clock may be set back.
func (l *Lease) Passed(now time.Time) bool {
	if l.ended.Load() {
		return true
	}
	d := *l.deadline.Load()
	if now.Sub(d) < 0 && now.Round(0).Sub(d.Round(0)) < 0 {
		return false
	}
	l.ended.Store(true)
	return true
}

// End makes the lease passed at once: it was revoked, or etcd says that it is gone.
func (l *Lease) End() { l.ended.Store(true) }
