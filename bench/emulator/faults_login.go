package emulator

import (
	"strconv"
	"time"

	"go.mau.fi/whatsmeow/proto/waWa6"
)

// refusedByFault turns a client away that a fault is ordered for, whether it logs in or is not paired
// yet: it is told so in the same way.
func (e *Emulator) refusedByFault(c *conn, p *waWa6.ClientPayload) bool {
	number := ""
	if p.DevicePairingData == nil {
		number = strconv.FormatUint(p.GetUsername(), 10)
	}
	code, more := e.loginFault(number, p)
	switch code {
	case 0:
		return false
	case closeSilently:
		e.note(Event{Kind: KindRefused, Number: number, Detail: "closed by the fault drop"})
		streamEnd(c)
	default:
		e.refuse(c, number, code, more, "fault")
	}
	return true
}

// loginFault is the failure that a login of number meets, or 0. A client that is not paired yet has
// no number: it meets what is ordered for everybody.
func (e *Emulator) loginFault(number string, p *waWa6.ClientPayload) (int, attrs) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if a := e.useLocked(FaultFail, number); a != nil {
		return a.failure()
	}
	if a := e.faultLocked(FaultBan, number); a != nil {
		return a.failure()
	}
	if e.faultLocked(FaultOutdated, number) != nil && p.GetUserAgent().GetAppVersion().GetTertiary() != ClientRevision {
		return 405, nil
	}
	if e.useLocked(FaultRefuse, number) != nil {
		return 503, nil
	}
	if e.faultLocked(FaultDrop, number) != nil {
		return closeSilently, nil
	}
	return 0, nil
}

// failure is what the faults fail and ban say. A temporary ban tells why it was laid on, and for how
// many seconds it still holds.
func (a *activeFault) failure() (int, attrs) {
	code := int(a.Code)
	switch {
	case code >= 400 && code != banned:
		return code, nil
	case code == 0, code == banned:
		code = banCode
	}
	seconds := banSeconds
	if !a.until.IsZero() {
		seconds = int(time.Until(a.until).Seconds()) + 1
	}
	return banned, attrs{"code": code, "expire": seconds}
}
