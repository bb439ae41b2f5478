package emulator

import (
	"fmt"
	"slices"
	"time"

	"go.mau.fi/whatsmeow/proto/waWa6"
)

// Kinds of faults.
const (
	FaultDrop     = "drop"     // close the number's sockets; with ForMS, go on closing them
	FaultDelay    = "delay"    // everything sent to the number comes DelayMS later
	FaultRefuse   = "refuse"   // logins get 503; for "*" new connections too (HTTP 503)
	FaultBan      = "ban"      // sockets are closed and logins get 402, a temporary ban
	FaultOutdated = "outdated" // logins get 405, unless the client has the version that GET / tells
	FaultDeaf     = "deaf"     // sockets stay open, nothing is answered or delivered
	FaultLoseAck  = "lose_ack" // messages are delivered, their acks are not sent
	FaultFail     = "fail"     // logins get <failure> with Code
	FaultAway     = "away"     // phones look at what arrives, and acknowledge it, once it ends
)

// Fault is a misbehaviour to order.
type Fault struct {
	Kind   string `json:"kind"`
	Number string `json:"number"`           // of a phone, or "*" for all
	ForMS  int64  `json:"for_ms,omitempty"` // 0: until cleared; a drop: once
	// DelayMS is how much later, for delay; 0 is 500.
	DelayMS int64 `json:"delay_ms,omitempty"`
	// Code is for fail: 400 to 599.
	Code int `json:"code,omitempty"`
}

const (
	everyone     = "*"
	defaultDelay = 500 * time.Millisecond
	banCode      = 101  // "sent to too many people"
	banSeconds   = 3600 // where the fault has no end

	closeSilently = -1 // instead of a failure's code
)

// ClientRevision is what GET / for web.whatsapp.com tells as the current version.
const ClientRevision = 1023456789

type activeFault struct {
	Fault
	until time.Time // zero: until cleared
	timer *time.Timer
}

// SetFault orders a fault. The same kind for the same number replaces the one before.
func (e *Emulator) SetFault(f Fault) error {
	if err := f.validate(); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	if _, ok := e.accounts[f.Number]; !ok && f.Number != everyone {
		return fmt.Errorf("%w: phone %s", ErrNotFound, f.Number)
	}
	e.note(Event{Kind: KindFault, Number: f.Number, Detail: "set " + f.Kind})
	e.log.Info("fault set", "kind", f.Kind, "number", f.Number, "for_ms", f.ForMS)
	e.removeFaultsLocked(func(a *activeFault) bool { return a.Kind == f.Kind && a.Number == f.Number })
	if f.Kind != FaultDrop || f.ForMS > 0 {
		a := &activeFault{Fault: f}
		if f.ForMS > 0 {
			d := time.Duration(f.ForMS) * time.Millisecond
			a.until = time.Now().Add(d)
			a.timer = time.AfterFunc(d, func() { e.endFault(a) })
		} else {
			a.timer = time.NewTimer(0) // never read; Stop is harmless
		}
		e.faults = append(e.faults, a)
	}
	switch f.Kind {
	case FaultDrop, FaultBan:
		e.dropNumberLocked(f.Number)
	case FaultAway:
		e.lookLocked()
	}
	return nil
}

func (f Fault) validate() error {
	switch f.Kind {
	case FaultDrop, FaultDelay, FaultRefuse, FaultBan, FaultOutdated, FaultDeaf, FaultLoseAck, FaultAway:
	case FaultFail:
		if f.Code < 400 || f.Code > 599 {
			return fmt.Errorf("%w: code %d: want 400 to 599", ErrBadInput, f.Code)
		}
	default:
		return fmt.Errorf("%w: fault kind %q: want drop, delay, refuse, ban, outdated, deaf, lose_ack, away or fail", ErrBadInput, f.Kind)
	}
	if f.ForMS < 0 || f.DelayMS < 0 {
		return fmt.Errorf("%w: for_ms and delay_ms cannot be negative", ErrBadInput)
	}
	if f.Number != everyone {
		if f.Number == "" {
			return fmt.Errorf("%w: number is missing: a phone's, or \"*\"", ErrBadInput)
		}
		return checkNumber(f.Number)
	}
	return nil
}

// ClearFaults ends all faults.
func (e *Emulator) ClearFaults() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.removeFaultsLocked(func(*activeFault) bool { return true })
	e.note(Event{Kind: KindFault, Number: everyone, Detail: "cleared"})
}

// Faults lists the faults in force.
func (e *Emulator) Faults() []Fault {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := []Fault{}
	for _, a := range e.faults {
		out = append(out, a.Fault)
	}
	return out
}

func (e *Emulator) endFault(a *activeFault) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || !slices.Contains(e.faults, a) {
		return
	}
	e.removeFaultsLocked(func(other *activeFault) bool { return other == a })
	e.note(Event{Kind: KindFault, Number: a.Number, Detail: "ended " + a.Kind})
}

func (e *Emulator) removeFaultsLocked(which func(*activeFault) bool) {
	undeaf, back := false, false
	e.faults = slices.DeleteFunc(e.faults, func(a *activeFault) bool {
		if !which(a) {
			return false
		}
		a.timer.Stop()
		undeaf = undeaf || a.Kind == FaultDeaf
		back = back || a.Kind == FaultAway
		return true
	})
	if back {
		e.lookLocked()
	}
	if !undeaf {
		return
	}
	for _, account := range e.accounts {
		for _, d := range account.devices {
			if !e.deafLocked(d) {
				e.flushLocked(d)
			}
		}
	}
}

// faultLocked is the fault of that kind in force for a number ("" is nobody's yet).
func (e *Emulator) faultLocked(kind, number string) *activeFault {
	for _, a := range e.faults {
		if a.Kind == kind && (a.Number == everyone || a.Number == number) && (a.until.IsZero() || time.Now().Before(a.until)) {
			return a
		}
	}
	return nil
}

// lookLocked has those phones that are at hand look at what has arrived, and no others.
func (e *Emulator) lookLocked() {
	for number, a := range e.accounts {
		if p := a.phone; p.mail.setAway(e.faultLocked(FaultAway, number) != nil) {
			e.spawnLocked(func() { p.mail.drain(p.receive) })
		}
	}
}

func (e *Emulator) deafLocked(d *device) bool {
	return e.faultLocked(FaultDeaf, d.account.number) != nil
}

func (e *Emulator) losesAckLocked(d *device) bool {
	return e.faultLocked(FaultLoseAck, d.account.number) != nil
}

func (e *Emulator) delayLocked(d *device) time.Time {
	a := e.faultLocked(FaultDelay, d.account.number)
	if a == nil {
		return time.Time{}
	}
	delay := time.Duration(a.DelayMS) * time.Millisecond
	if delay == 0 {
		delay = defaultDelay
	}
	return time.Now().Add(delay)
}

// refusesAll says whether no new connection is taken.
func (e *Emulator) refusesAll() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.faultLocked(FaultRefuse, "") != nil
}

// dropNumberLocked closes all sockets of a number, unregistered first.
func (e *Emulator) dropNumberLocked(number string) {
	for c := range e.conns {
		if number != everyone && (c.device == nil || c.device.account.number != number) {
			continue
		}
		e.dropLocked(c, "dropped by a fault")
		e.spawnLocked(c.close)
	}
}

// loginFault is the failure that a login of number meets, or 0.
func (e *Emulator) loginFault(number string, p *waWa6.ClientPayload) (int, attrs) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if a := e.faultLocked(FaultFail, number); a != nil {
		return a.Code, nil
	}
	if a := e.faultLocked(FaultBan, number); a != nil {
		seconds := banSeconds
		if !a.until.IsZero() {
			seconds = int(time.Until(a.until).Seconds()) + 1
		}
		return 402, attrs{"code": banCode, "expire": seconds}
	}
	if e.faultLocked(FaultOutdated, number) != nil && p.GetUserAgent().GetAppVersion().GetTertiary() != ClientRevision {
		return 405, nil
	}
	if e.faultLocked(FaultRefuse, number) != nil {
		return 503, nil
	}
	if e.faultLocked(FaultDrop, number) != nil {
		return closeSilently, nil
	}
	return 0, nil
}
