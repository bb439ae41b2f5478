package emulator

import "time"

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

func (e *Emulator) delayLocked(number string) time.Time {
	a := e.faultLocked(FaultDelay, number)
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
	return e.useLocked(FaultRefuse, "") != nil
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
