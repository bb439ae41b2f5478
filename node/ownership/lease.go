package ownership

import (
	"sync/atomic"
	"time"
)

// Lease is this process's clock of its own etcd lease. It believes in the lease for less
// long than etcd does: until Margin before the lease could end at the server.
//
//	deadline at etcd  = time of sending the last good renewal + granted TTL - Margin
//	deadline at store = time of sending the last good poll + Vouch
//
// Counting from the sending, not from the answer, keeps a deadline safe however late the
// answer comes. The lease has passed when both have: who rides on the store's word (rule 5)
// keeps its sessions though etcd is out of reach, or has ended the lease. A passed lease stays
// passed: a late answer cannot revive it, since the sessions that hung on it are already ending.
type Lease struct {
	id     int64
	margin time.Duration
	etcd   atomic.Pointer[time.Time]
	store  atomic.Pointer[time.Time] // nil: the store was never asked
	lapsed atomic.Bool               // etcd has ended the lease; the store may still vouch
	ended  atomic.Bool
}

// NewLease starts the clock of lease id, asked for at sent and granted for ttl.
func NewLease(id int64, sent time.Time, ttl, margin time.Duration) *Lease {
	l := &Lease{id: id, margin: margin}
	later(&l.etcd, sent.Add(ttl-margin))
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
	later(&l.etcd, sent.Add(ttl-l.margin))
	return true
}

// Vouched books a poll that was sent at sent, after which the store vouches for the time of
// vouch. It reports false, and changes nothing, when the lease had already passed at now.
func (l *Lease) Vouched(sent, now time.Time, vouch time.Duration) bool {
	if l.Passed(now) {
		return false
	}
	later(&l.store, sent.Add(vouch))
	return true
}

// Lapse takes etcd's part away: etcd says that the lease is gone. What the store does not
// vouch for has passed with it.
func (l *Lease) Lapse() { l.lapsed.Store(true) }

// Lapsed says whether etcd has ended the lease.
func (l *Lease) Lapsed() bool { return l.lapsed.Load() }

// RenewBy is the deadline at etcd.
func (l *Lease) RenewBy() time.Time { return *l.etcd.Load() }

// Deadline is the moment from which Passed is true if neither a renewal nor a poll comes.
func (l *Lease) Deadline() time.Time {
	d := *l.etcd.Load()
	if s := l.store.Load(); s != nil && (l.lapsed.Load() || s.After(d)) {
		return *s
	}
	return d
}

// Riding says whether only the store vouches at now: etcd's deadline has passed, or etcd has
// ended the lease.
func (l *Lease) Riding(now time.Time) bool {
	return !l.Passed(now) && (l.lapsed.Load() || !before(now, l.etcd.Load()))
}

// Passed says whether the lease may no longer be relied on at now. Either clock is enough:
// the monotonic one stands still while the machine is suspended, the wall clock may be set back.
func (l *Lease) Passed(now time.Time) bool {
	if l.ended.Load() {
		return true
	}
	if before(now, l.etcd.Load()) && !l.lapsed.Load() || before(now, l.store.Load()) {
		return false
	}
	l.ended.Store(true)
	return true
}

// End makes the lease passed at once: it was revoked, or nobody vouches for it any more.
func (l *Lease) End() { l.ended.Store(true) }

// before says whether now is before d by both clocks; never where there is no d.
func before(now time.Time, d *time.Time) bool {
	return d != nil && now.Sub(*d) < 0 && now.Round(0).Sub(d.Round(0)) < 0
}

// later moves a deadline, and never back.
func later(deadline *atomic.Pointer[time.Time], d time.Time) {
	for {
		old := deadline.Load()
		if old != nil && !d.After(*old) || deadline.CompareAndSwap(old, &d) {
			return
		}
	}
}
