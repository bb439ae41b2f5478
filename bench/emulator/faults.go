package emulator

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"
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

	FaultNack        = "nack"         // messages are refused with Code, and delivered to nobody
	FaultDupAck      = "dup_ack"      // acks of messages are sent twice
	FaultStreamError = "stream_error" // streams get an error, see At
)

// When a stream error comes (Fault.At).
const (
	AtNow    = "now"    // once, at whoever is connected
	AtLogin  = "login"  // after each <success>
	AtActive = "active" // after each login, once the client has said that it is active
)

// Fault is a misbehaviour to order.
type Fault struct {
	Kind   string `json:"kind"`
	Number string `json:"number"`           // of a phone, or "*" for all
	ForMS  int64  `json:"for_ms,omitempty"` // 0: until cleared; a drop: once
	// DelayMS is how much later, for delay; 0 is 500.
	DelayMS int64 `json:"delay_ms,omitempty"`
	// Code is for fail and nack (400 to 599), for stream_error, and for ban: the failure (402 is
	// temporary, 403 a lock, 406 for good), or a temporary ban's own code, 101 where it is 0.
	Code Code `json:"code,omitempty"`
	// Count ends the fault after so many uses; 0 is no end. It is for fail, refuse, lose_ack, nack,
	// dup_ack and stream_error.
	Count int `json:"count,omitempty"`
	// Tag is for stream_error: what stands in the error, such as "conflict" or "xml-not-well-formed".
	Tag string `json:"tag,omitempty"`
	// At is for stream_error: now, login or active; empty is now.
	At string `json:"at,omitempty"`
	// Close is for stream_error: whether the server closes the socket behind it; absent is yes.
	Close *bool `json:"close,omitempty"`
}

// Code is a number that JSON may hold as a string too: WhatsApp writes its codes as strings.
type Code int

// UnmarshalJSON takes a number, or a string of digits.
func (c *Code) UnmarshalJSON(raw []byte) error {
	text := string(raw)
	if text == "null" {
		return nil
	}
	if len(raw) > 0 && raw[0] == '"' {
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return fmt.Errorf("code %s: want a whole number up to 65535", raw)
	}
	*c = Code(n)
	return nil
}

const (
	everyone     = "*"
	defaultDelay = 500 * time.Millisecond
	banned       = 402  // the failure that a temporary ban is
	banCode      = 101  // "sent to too many people"
	banSeconds   = 3600 // where the fault has no end

	closeSilently = -1 // instead of a failure's code
)

// bans are the failures that bans are: temporary, a lock, for good.
var bans = []Code{banned, 403, 406}

// ClientRevision is what GET / for web.whatsapp.com tells as the current version.
const ClientRevision = 1023456789

type activeFault struct {
	Fault
	until time.Time // zero: until cleared
	timer *time.Timer
	left  int // uses, where Count is set
}

// SetFault orders a fault. The same kind for the same number replaces the one before.
func (e *Emulator) SetFault(f Fault) error {
	f.Number = written(f.Number)
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
	if f.lasts() {
		a := &activeFault{Fault: f, left: f.Count}
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
	case FaultStreamError:
		if f.At == AtNow || f.At == "" {
			e.breakStreamsLocked(f)
		}
	}
	return nil
}

// lasts says whether the fault goes on after it was set.
func (f Fault) lasts() bool {
	switch f.Kind {
	case FaultDrop:
		return f.ForMS > 0
	case FaultStreamError:
		return f.At == AtLogin || f.At == AtActive
	}
	return true
}

func (f Fault) validate() error {
	switch f.Kind {
	case FaultDrop, FaultDelay, FaultRefuse, FaultOutdated, FaultDeaf, FaultLoseAck, FaultAway, FaultDupAck:
	case FaultBan:
		if f.Code >= 400 && !slices.Contains(bans, f.Code) {
			return fmt.Errorf("%w: code %d: want 402, 403 or 406, or a temporary ban's own, such as 101", ErrBadInput, f.Code)
		}
	case FaultFail, FaultNack:
		if f.Code < 400 || f.Code > 599 {
			return fmt.Errorf("%w: code %d: want 400 to 599", ErrBadInput, f.Code)
		}
	case FaultStreamError:
		if f.Code == 0 && f.Tag == "" {
			return fmt.Errorf("%w: stream_error: want a code, such as 503, or a tag, such as conflict", ErrBadInput)
		}
		switch f.At {
		case "", AtNow, AtLogin, AtActive:
		default:
			return fmt.Errorf("%w: at %q: want now, login or active", ErrBadInput, f.At)
		}
	default:
		return fmt.Errorf("%w: fault kind %q: want drop, delay, refuse, ban, outdated, deaf, lose_ack, away, fail, nack, dup_ack or stream_error",
			ErrBadInput, f.Kind)
	}
	if f.ForMS < 0 || f.DelayMS < 0 || f.Count < 0 {
		return fmt.Errorf("%w: for_ms, delay_ms and count cannot be negative", ErrBadInput)
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
	for c := range e.conns {
		if c.pairing != nil {
			e.offerCodesLocked(c.pairing)
		}
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

// useLocked is faultLocked for a fault that is used up by Count uses: this is one of them.
func (e *Emulator) useLocked(kind, number string) *activeFault {
	a := e.faultLocked(kind, number)
	if a == nil || a.Count == 0 {
		return a
	}
	if a.left--; a.left == 0 {
		e.removeFaultsLocked(func(other *activeFault) bool { return other == a })
		e.note(Event{Kind: KindFault, Number: a.Number, Detail: "used up " + a.Kind})
	}
	return a
}
