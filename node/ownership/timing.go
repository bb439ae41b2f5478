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
	Poll         time.Duration // between the sendings of two polls of the store while it vouches (rule 5); they may overlap
	PollTimeout  time.Duration // of one poll
	Vouch        time.Duration // for which the store vouches, from the sending of a poll
	NoteLead     time.Duration // before the lease's deadline at etcd, polls begin
	HoldBack     time.Duration // at most, of a successor whose predecessor may ride on the store's word
	Look         time.Duration // between looks whether that predecessor has stopped
	Grace        time.Duration // for which nobody takes over from a node that lost its lease but is alive (rule 7)
	GraceMax     time.Duration // likewise, while that node's note is fresh
	Sweep        time.Duration // between comparisons of what should run with what is owned
	Quiet        time.Duration // the ring has not changed for so long, before clientes are moved to where it places them
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
		Poll:         500 * time.Millisecond, // one a second, one at a time, lost 501 of 738 sessions in simulated outages; this 0-1
		PollTimeout:  2 * time.Second,
		Vouch:        2500 * time.Millisecond,
		NoteLead:     2200 * time.Millisecond,
		HoldBack:     3250 * time.Millisecond, // Vouch + Stop, and 0.25 s for clocks of unequal rates; 2.75 s: 4 overlaps
		Look:         100 * time.Millisecond,
		Grace:        1500 * time.Millisecond, // without it a short outage moves 55-87 % of the sessions
		GraceMax:     15 * time.Second,
		Sweep:        5 * time.Second,
		Quiet:        10 * time.Second,      // a node that restarts is back by then
		Settle:       20 * time.Millisecond, // a revoked lease of 10,000 keys was seen by a watcher in 52 ms
		Orphan:       time.Second,
		Redial:       200 * time.Millisecond,
		Retry:        200 * time.Millisecond,
		FlapWindow:   10 * time.Minute,
		FlapUnit:     time.Minute,
	}
}

// AccusedHoldBack is how long the successor of an accused process waits that it has not seen
// end: until the accused, if it lives, has ended its sessions (rule 3c). It may have renewed its
// lease just before, and hear neither of the accusation nor anything else any more: then it
// goes on until its own deadline. (Renew + RenewTimeout + Stop, which counts on its next renewal,
// overlapped in simulation when the accused was cut off from everything.) Clocks of unequal
// rates get as much as in HoldBack.
func (t Timing) AccusedHoldBack() time.Duration {
	return max(t.TTL-t.Margin, t.Renew+2*t.RenewTimeout) + t.Stop + (t.HoldBack - t.Vouch - t.Stop)
}

// Failover is how long a cliente may at most be without an owner while the nodes are in touch with
// etcd and the store: the lease of its owner, just renewed, runs out, and its successor holds back.
// (Simulated and measured: 7.5 s.) A node that has been out of touch for longer waits in vain.
func (t Timing) Failover() time.Duration { return t.TTL + t.HoldBack }

// Validate refuses a Timing under which the invariants of the package do not hold.
func (t Timing) Validate() error {
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"Renew", t.Renew}, {"RenewTimeout", t.RenewTimeout}, {"Stop", t.Stop}, {"Sweep", t.Sweep},
		{"Poll", t.Poll}, {"PollTimeout", t.PollTimeout}, {"Look", t.Look}, {"Grace", t.Grace},
		{"Quiet", t.Quiet}, {"Settle", t.Settle}, {"Orphan", t.Orphan}, {"Redial", t.Redial}, {"Retry", t.Retry}, {"FlapWindow", t.FlapWindow}, {"FlapUnit", t.FlapUnit},
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
	case t.Renew+t.NoteLead >= t.TTL-t.Margin:
		return fmt.Errorf("timing: Renew %v + NoteLead %v must be below TTL %v - Margin %v: the store would be polled all the time",
			t.Renew, t.NoteLead, t.TTL, t.Margin)
	case t.NoteLead < 2*t.RenewTimeout:
		return fmt.Errorf("timing: NoteLead %v must be two calls of %v at least: the note must stand before the deadline", t.NoteLead, t.RenewTimeout)
	case t.Poll >= t.PollTimeout || t.PollTimeout >= t.Vouch:
		return fmt.Errorf("timing: Poll %v must be below PollTimeout %v, and that below Vouch %v: an answer that comes later vouches for nothing",
			t.Poll, t.PollTimeout, t.Vouch)
	case t.HoldBack < t.Vouch+t.Stop:
		return fmt.Errorf("timing: HoldBack %v must be Vouch %v + Stop %v at least: the predecessor's sessions must be gone", t.HoldBack, t.Vouch, t.Stop)
	case t.GraceMax < t.Grace:
		return fmt.Errorf("timing: GraceMax %v must not be below Grace %v", t.GraceMax, t.Grace)
	case t.Stop >= t.Exit:
		return fmt.Errorf("timing: Stop %v must be below Exit %v", t.Stop, t.Exit)
	case t.Exit >= t.Margin:
		return fmt.Errorf("timing: Exit %v must be below Margin %v: sessions must be gone before the lease is", t.Exit, t.Margin)
	}
	return nil
}
