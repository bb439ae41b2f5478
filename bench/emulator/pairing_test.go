package emulator

import (
	"errors"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/types/events"
)

// expireCodes lets the first n codes of the one socket that waits to be scanned be too old.
func expireCodes(e *Emulator, n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for c := range e.conns {
		for i := range n {
			if c.pairing != nil {
				c.pairing.expires[i] = time.Now().Add(-time.Millisecond)
			}
		}
	}
}

// TestFaultD7: an unpaired client is there for all six codes. While each is shown its keep-alives are
// answered; a code is refused once it has expired, and the last one still pairs.
func TestFaultD7AnUnpairedClientWalksAllSixCodes(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana)
	c := newClient(t, e, nil)
	c.connect()
	all := await[*events.QR](c, nil).Codes
	if len(all) != codes {
		t.Fatalf("%d codes", len(all))
	}
	for i, code := range all[:codes-1] {
		if _, err := ask(t, c, "w:p", "get"); err != nil {
			t.Fatalf("a ping while code %d is shown: %v", i+1, err)
		}
		expireCodes(e, i+1)
		if _, err := e.Scan(t.Context(), ana, code); !errors.Is(err, ErrConflict) {
			t.Fatalf("code %d, which has expired: %v", i+1, err)
		}
	}
	if _, err := e.Scan(t.Context(), ana, all[codes-1]); err != nil {
		t.Fatal("the last code:", err)
	}
	await[*events.Connected](c, nil)
}

// A client that is to be turned away gets no code, but the failure that a login would get (E6).
func TestFaultE6AnUnpairedClientIsTurnedAway(t *testing.T) {
	e := start(t, Options{})
	store := openStore(t, "")
	meetsFailure := func(code int) {
		t.Helper()
		before := refusals(e, code)
		c := newClient(t, e, store.NewDevice())
		c.EnableAutoReconnect = false
		c.connect()
		first := await[any](c, nil) // which one depends on the code
		if _, isCode := first.(*events.QR); isCode || refusals(e, code) != before+1 {
			t.Fatalf("%d: %T, and %d refusals", code, first, refusals(e, code)-before)
		}
	}
	addPhones(t, e, ana)
	for _, code := range []Code{400, 401, 402, 403, 405, 406, 409, 415, 500, 503} {
		fault(t, e, Fault{Kind: FaultFail, Number: "*", Code: code, Count: 1})
		meetsFailure(int(code))
	}
	for _, c := range []struct {
		fault Fault
		code  int
	}{
		{Fault{Kind: FaultOutdated}, 405}, {Fault{Kind: FaultBan}, 402}, {Fault{Kind: FaultBan, Code: 102}, 402},
		{Fault{Kind: FaultBan, Code: 403}, 403}, {Fault{Kind: FaultBan, Code: 406}, 406},
	} {
		c.fault.Number = everyone
		fault(t, e, c.fault)
		meetsFailure(c.code)
		e.ClearFaults()
	}
	// A fault of one phone does not concern a client that belongs to no phone yet.
	fault(t, e, Fault{Kind: FaultFail, Number: ana, Code: 403})
	c := newClient(t, e, nil)
	c.connect()
	await[*events.QR](c, nil)
}

// TestFaultE6Deaf: a deaf server shows no code until it hears again.
func TestFaultE6ADeafServerShowsNoCode(t *testing.T) {
	e := start(t, Options{})
	fault(t, e, Fault{Kind: FaultDeaf, Number: "*"})
	c := newClient(t, e, nil)
	c.connect()
	raw(t, c, node{Tag: "iq", Attrs: attrs{"id": "PING", "type": "get", "xmlns": "w:p", "to": userJID(ana)}})
	awaitKind(t, e, KindUnheard, "PING")
	e.ClearFaults()
	await[*events.QR](c, nil)
}

// TestFaultE7: a stream does not end within the moment in which its client has said something.
func TestFaultE7StreamsEndAPauseLater(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana)
	c := newClient(t, e, nil)
	c.connect()
	code := await[*events.QR](c, nil).Codes[0]
	if _, err := e.Scan(t.Context(), ana, code); err != nil {
		t.Fatal(err)
	}
	await[*events.Connected](c, nil)
	since := func(kind string, code int) time.Time {
		for _, ev := range e.Events(0) {
			if ev.Kind == kind && ev.Code == code {
				return ev.At
			}
		}
		t.Fatal("no event " + kind)
		return time.Time{}
	}
	if took := since(KindLogin, 0).Sub(since(KindPaired, 0)); took < pause {
		t.Fatalf("the restart came %v after the pairing's answer", took)
	}
	c.Disconnect()
	for what, f := range map[string]Fault{
		"a failure":      {Kind: FaultFail, Number: ana, Code: 503},
		"a stream error": {Kind: FaultStreamError, Number: ana, Code: 599, At: AtLogin},
		"an end":         {Kind: FaultDrop, Number: ana, ForMS: 60_000},
	} {
		fault(t, e, f)
		x := reopened(t, e, c)
		x.EnableAutoReconnect = false
		x.connect() // returns once the client has said who it is
		began := time.Now()
		await[*events.Disconnected](x, nil)
		if took := time.Since(began); took < pause-20*time.Millisecond {
			t.Errorf("%s came after %v", what, took)
		}
		e.ClearFaults()
	}
}

// A client that is told to restart has time to look at it: closing is its part.
func TestFaultE7AClientClosesBeforeItRestarts(t *testing.T) {
	e := start(t, Options{})
	addPhones(t, e, ana)
	c := newClient(t, e, nil)
	c.DisableLoginAutoReconnect = true // it stays where it is
	c.connect()
	if _, err := e.Scan(t.Context(), ana, await[*events.QR](c, nil).Codes[0]); err != nil {
		t.Fatal(err)
	}
	await[*events.ManualLoginReconnect](c, nil)
	time.Sleep(lingerTime + 100*time.Millisecond)
	if !c.IsConnected() {
		t.Fatal("the server did not wait for it")
	}
}
