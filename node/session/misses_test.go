package session

import (
	"errors"
	"testing"
	"time"
)

// paired and unpaired are connections that came to nothing.
var (
	paired   = facts{paired: true, opened: true, most: MaxReconnections}
	unpaired = facts{opened: true, most: MaxReconnections}
	dropped1 = lost{"DISCONNECTED", errors.New("dropped")}
)

func (f facts) after(d time.Duration) facts { f.lasted, f.shown = d, !f.paired; return f }

// opened is how many connections a session opens within connectionSpan at most, where each comes to READY
// for a moment and then ends as ending says. Requests come all the time, and restarts where ordered.
func opened(t *testing.T, m misses, ending any, f facts, requests, restarts bool) int {
	t.Helper()
	var p pace
	var begun []time.Time
	now := time.Unix(1_000_000, 0)
	most := 0
	for range 200 {
		now = now.Add(p.wait(now))
		p.took(now)
		begun = append(begun, now)
		n := 0
		for _, at := range begun {
			if now.Sub(at) < connectionSpan {
				n++
			}
		}
		most = max(most, n)
		v := m.next(ending, f)
		switch {
		case restarts:
			m = misses{}
		case v.resting && requests && !v.orderOnly:
			now = now.Add(v.tooSoon + v.late)
		case v.resting:
			return most
		default:
			now = now.Add(v.pause + v.late)
		}
		now = now.Add(f.lasted)
	}
	return most
}

// Whatever ends connections, and whoever asks meanwhile, the most logins of one device in 10 s stay
// below the bar of 6, one being left for the next owner.
func TestFaultB3LoginsArePaced(t *testing.T) {
	endings := map[string]any{
		"stream error": lost{codeStreamError, errors.New("503")}, "515 again": lost{codeStreamError, errors.New("515")},
		"store full": lost{storeUnavailable, errors.New("disk full")}, "drop": dropped1, "replaced": replaced{}, "outdated": outdated{},
		"panic": broken{codePanic, errors.New("panic")}, "ban of a second": banned{time.Second, errors.New("402")},
		"logout": refused{DisconnectedLogout, codeLoggedOut, errors.New("401")}, "pairing": restart{},
	}
	for name, ending := range endings {
		for _, f := range []facts{paired, paired.after(time.Millisecond), paired.after(time.Second), unpaired, unpaired.after(time.Second)} {
			for _, restarts := range []bool{false, true} {
				if most := opened(t, misses{}, ending, f, true, restarts); most > mostConnections {
					t.Errorf("%s, %+v, restarts %v: %d connections in %v", name, f, restarts, most, connectionSpan)
				}
			}
		}
	}
}

// READY alone makes nothing forgotten: pauses grow until a connection has been steady.
func TestFaultB3OnlyASteadyConnectionForgets(t *testing.T) {
	var m misses
	if v := m.next(dropped1, paired.after(time.Hour)); v.pause > firstBackoff {
		t.Errorf("the first drop waits %v", v.pause)
	}
	for range 8 {
		m.next(dropped1, paired.after(steady-time.Second))
	}
	if v := m.next(dropped1, paired.after(steady-time.Second)); v.pause < maxBackoff {
		t.Errorf("a pause of %v after ten drops", v.pause)
	}
	if v := m.next(dropped1, paired.after(steady)); v.pause > firstBackoff {
		t.Errorf("a pause of %v after a steady connection", v.pause)
	}
	for _, ending := range []any{outdated{}, replaced{}, broken{codePanic, errors.New("panic")}, refused{AuthFailure, codeLoginRefused, errors.New("409")}} {
		var m misses
		m.next(ending, paired)
		before := m
		m.next(ending, paired.after(steady-time.Second))
		if m == before || m == (misses{}) {
			t.Errorf("%T is forgotten after READY", ending)
		}
	}
}

// A failing store is looked at often, and logged in for seldom.
func TestFaultB3StoreFailure(t *testing.T) {
	var looks, logins misses
	away := lost{storeUnavailable, errors.New("away")}
	var look, login verdict
	for range 10 {
		look = looks.next(away, facts{paired: true})
		login = logins.next(away, paired.after(time.Second))
	}
	if look.pause > maxStoreBackoff || login.pause < maxBackoff {
		t.Errorf("pauses %v and %v", look.pause, login.pause)
	}
}

// Neither drops at the QR nor a deaf socket lead to ERROR; three connections that come to nothing do.
func TestFaultD7DropsAtTheQR(t *testing.T) {
	var m misses
	for range 20 {
		for ending, f := range map[lost]facts{dropped1: unpaired.after(time.Second), {codeDeaf, errDeaf}: unpaired.after(time.Second), {codeLoginTimeout, errDeaf}: unpaired} {
			if v := m.next(ending, f); v.state != Initializing || v.resting {
				t.Fatalf("%+v: %+v", ending, v)
			}
		}
	}
	m = misses{}
	for i := range MaxReconnections {
		v := m.next(lost{codeUnreachable, errDeaf}, unpaired)
		if (v.state == Error) != (i == MaxReconnections-1) {
			t.Errorf("attempt %d: %+v", i+1, v)
		}
	}
}

// What WhatsApp's reasons mean, at a login and at a registration.
func TestFaultA7D9Reasons(t *testing.T) {
	for _, c := range []struct {
		reason           int
		paired, unpaired State
		code             string
	}{
		{400, Error, AuthFailure, codeLoginRefused}, {401, DisconnectedLogout, AuthFailure, ""},
		{402, DisconnectedBanned, DisconnectedBanned, codeBanned}, {403, DisconnectedBanned, DisconnectedBanned, codeBanned},
		{405, DisconnectedRecoverable, DisconnectedRecoverable, "CLIENT_OUTDATED"},
		{406, DisconnectedBanned, DisconnectedBanned, codeBanned}, {409, Error, AuthFailure, codeLoginRefused},
		{411, Error, AuthFailure, codeLoginRefused}, {415, Error, AuthFailure, codeLoginRefused}, {418, Error, AuthFailure, codeLoginRefused},
		{413, DisconnectedRecoverable, Initializing, codeLoginRefused}, {429, DisconnectedRecoverable, Initializing, codeLoginRefused},
		{500, DisconnectedRecoverable, Initializing, codeLoginRefused}, {501, DisconnectedRecoverable, Initializing, codeLoginRefused},
	} {
		for f, want := range map[facts]State{paired: c.paired, unpaired: c.unpaired} {
			var m misses
			v := m.next(refusal(c.reason, "the reason", f.paired), f)
			if v.state != want || c.code != "" && v.code != c.code {
				t.Errorf("%d, paired %v: %s %s, want %s", c.reason, f.paired, v.state, v.code, want)
			}
			if forGood := c.reason == 403 || c.reason == 406; forGood != v.orderOnly || forGood != (v.restriction.Code == c.reason) {
				t.Errorf("%d, paired %v: %+v", c.reason, f.paired, v)
			}
		}
	}
	for code, want := range map[string]State{"402": DisconnectedBanned, "403": DisconnectedBanned, "406": DisconnectedBanned, "503": DisconnectedRecoverable, "": DisconnectedRecoverable} {
		var m misses
		if v := m.next(streamError(code, true), paired); v.state != want {
			t.Errorf("stream error %q: %s", code, v.state)
		}
	}
}
