package ownership

import (
	"fmt"
	"time"
)

// Timing holds every duration of the protocol. Change one only through Validate.
type Timing struct {
	TTL          time.Duration // of the node's lease; etcd's smallest is 2 s
	Renew        time.Duration // between the sendings of two renewals
	RenewTimeout time.Duration // of one renewal, or any other call to etcd
	Margin       time.Duration // by which the lease is given up before etcd would end it
	Stop         time.Duration // budget of a session to end
	Exit         time.Duration // after which a process with sessions that do not end exits
	Sweep        time.Duration // between comparisons of what should run with what is owned
	Settle       time.Duration // before a sweep that an event asked for: events of one change come together
	Orphan       time.Duration // between looks for keys of this process that have no session
	Redial       time.Duration // between the two dials that prove a process dead (rule 9)
	Retry        time.Duration // before a call whose outcome is unknown is made again
	FlapWindow   time.Duration // in which Flaps counts lost leases
	FlapUnit     time.Duration // Flaps' first pause; each further loss doubles it
}

// DefaultTiming is what the protocol was simulated with.
func DefaultTiming() Timing {
	return Timing{
		TTL:          5 * time.Second,        // ends 5.3-5.7 s after the last renewal
		Renew:        time.Second,            // three renewals may fail before the deadline
		RenewTimeout: 900 * time.Millisecond, // one call at a time, below Renew
		Margin:       1500 * time.Millisecond,
		Stop:         500 * time.Millisecond,
		Exit:         1200 * time.Millisecond,
		Sweep:        5 * time.Second,
		Settle:       20 * time.Millisecond, // a revoked lease of 10,000 keys was seen by a watcher in 52 ms
		Orphan:       time.Second,
		Redial:       200 * time.Millisecond,
		Retry:        200 * time.Millisecond,
		FlapWindow:   10 * time.Minute,
		FlapUnit:     time.Minute,
	}
}

// AccusedHoldBack is how long the successor of an accused process waits that it has not seen
// end: until the accused, if it lives, has asked for a renewal, learnt that its lease is gone,
// and ended its sessions (rule 3c).
func (t Timing) AccusedHoldBack() time.Duration { return t.Renew + t.RenewTimeout + t.Stop }

// Validate refuses a Timing under which the invariants of the package do not hold.
func (t Timing) Validate() error {
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"Renew", t.Renew}, {"RenewTimeout", t.RenewTimeout}, {"Stop", t.Stop}, {"Sweep", t.Sweep},
		{"Settle", t.Settle}, {"Orphan", t.Orphan}, {"Redial", t.Redial}, {"Retry", t.Retry}, {"FlapWindow", t.FlapWindow}, {"FlapUnit", t.FlapUnit},
	} {
		if d.value <= 0 {
			return fmt.Errorf("timing: %s is %v, must be positive", d.name, d.value)
		}
	}
	switch {
	case t.TTL < 2*time.Second || t.TTL%time.Second != 0:
		return fmt.Errorf("timing: TTL is %v, must be whole seconds, 2s at least (etcd's smallest)", t.TTL)
	case t.RenewTimeout >= t.Renew:
		return fmt.Errorf("timing: RenewTimeout %v must be below Renew %v: renewals go one at a time", t.RenewTimeout, t.Renew)
	case t.Renew+t.RenewTimeout >= t.TTL-t.Margin:
		return fmt.Errorf("timing: Renew %v + RenewTimeout %v must be below TTL %v - Margin %v: one lost renewal would lose the lease",
			t.Renew, t.RenewTimeout, t.TTL, t.Margin)
	case t.Stop >= t.Exit:
		return fmt.Errorf("timing: Stop %v must be below Exit %v", t.Stop, t.Exit)
	case t.Exit >= t.Margin:
		return fmt.Errorf("timing: Exit %v must be below Margin %v: sessions must be gone before the lease is", t.Exit, t.Margin)
	}
	return nil
}
