package session

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	wastore "go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types/events"

	"session-manager/bench/emulator"
	"session-manager/node/ownership"
)

// gated is an account whose device can be had once the gate is open.
type gated struct {
	*memory
	gate chan struct{}
}

func (g gated) Device(ctx context.Context) (*wastore.Device, error) {
	select {
	case <-g.gate:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return g.memory.Device(ctx)
}

// stopNow ends a session, as a handover does.
func stopNow(t *testing.T, s *Session) {
	t.Helper()
	s.Stop(ownership.ErrReleased)
	select {
	case <-s.Done():
	case <-time.After(20 * time.Second):
		t.Fatal("the session does not end")
	}
}

// fault orders a fault for the account.
func (w *world) fault(f emulator.Fault) {
	w.t.Helper()
	f.Number = account
	if err := w.emu.SetFault(f); err != nil {
		w.t.Fatal(err)
	}
}

// asked is how often a device has logged in, or tried to.
func (w *world) asked() (n int) {
	for _, e := range w.emu.Events(0) {
		if e.Kind == emulator.KindLogin || e.Kind == emulator.KindRefused {
			n++
		}
	}
	return n
}

// The successor's first state is not known before the account is read, and then it is no first time.
func TestFaultA2UnknownUntilRead(t *testing.T) {
	w := newWorld(t)
	m := newMemory(t)
	stopNow(t, w.pair(m))
	g := gated{m, make(chan struct{})}
	s := w.start(g)
	if now := s.Snapshot(); !now.Pending {
		t.Errorf("before the account is read: %+v", now)
	}
	close(g.gate)
	for {
		changed := s.Changed()
		now := s.Snapshot()
		if !now.Pending && (now.State != Reconnecting && now.State != Ready || now.Phone == "") {
			t.Fatalf("a paired account is %s, phone %q", now.State, now.Phone)
		}
		if now.State == Ready {
			break
		}
		select {
		case <-changed:
		case <-time.After(20 * time.Second):
			t.Fatal("it does not come to READY")
		}
	}
}

// A session that stops, or loses its ownership, says so to whoever waits.
func TestFaultF8EndIsAChange(t *testing.T) {
	w := newWorld(t)
	for _, end := range []func(*Session, *ownership.Hold){
		func(s *Session, _ *ownership.Hold) { s.Stop(ownership.ErrReleased) },
		func(_ *Session, h *ownership.Hold) { h.End(ownership.ErrLeaseLost) },
	} {
		s, hold := w.startHeld(gated{newMemory(t), make(chan struct{})})
		changed := s.Changed()
		end(s, hold)
		select {
		case <-changed:
		case <-time.After(20 * time.Second):
			t.Fatal("the end is no change")
		}
		w.eventually("the end", func() bool { return s.Snapshot().Ending })
	}
}

// A permanent ban, or a lock, is stored in place of the credentials: the next owner knows of it, asks
// WhatsApp nothing, and pairs nothing until it is told to.
func TestFaultA7BanIsStored(t *testing.T) {
	for _, code := range []int{403, 406} {
		w := newWorld(t)
		m := newMemory(t)
		s := w.pair(m)
		w.fault(emulator.Fault{Kind: emulator.FaultFail, Code: emulator.Code(code)})
		w.fault(emulator.Fault{Kind: emulator.FaultDrop, ForMS: 1})
		banned := w.waitFor(s, DisconnectedBanned)
		if banned.LastError.Code != codeBanned || !strings.HasPrefix(banned.LastError.Message, string(rune('0'+code/100))+"0") || banned.Restriction.Code != code {
			t.Errorf("%+v", banned)
		}
		stopNow(t, s)
		w.emu.ClearFaults()
		asked := w.asked()
		s = w.start(m)
		if now := w.waitFor(s, DisconnectedBanned); now.LastError != banned.LastError || now.Phone != "+"+account {
			t.Errorf("at the next owner: %+v", now)
		}
		for range 5 { // requests pair nothing
			s.Wake()
			_ = s.RenewQR(context.Background())
			if now := s.Snapshot(); now.State != DisconnectedBanned || now.Pending {
				t.Fatalf("a request leads to %+v", now)
			}
		}
		if n := w.asked(); n != asked {
			t.Errorf("WhatsApp was asked %d times after the ban", n-asked)
		}
		if err := s.Restart(context.Background()); err != nil {
			t.Fatal(err)
		}
		qr := w.waitFor(s, QRRequired)
		if _, err := w.emu.Scan(context.Background(), account, qr.QR); err != nil {
			t.Fatal(err)
		}
		if now := w.waitFor(s, Ready); now.Restriction.Code != 0 || now.LastError.Code != "" {
			t.Errorf("after the restart: %+v", now)
		}
	}
}

// Where the store does not take a ban, the credentials stay too, and WhatsApp says it again.
func TestFaultA7BanThatCannotBeStored(t *testing.T) {
	w := newWorld(t)
	m := newMemory(t)
	s := w.pair(m)
	away := func(is bool) { m.mu.Lock(); defer m.mu.Unlock(); m.away = is }
	away(true)
	w.fault(emulator.Fault{Kind: emulator.FaultFail, Code: 406})
	w.fault(emulator.Fault{Kind: emulator.FaultDrop, ForMS: 1})
	w.eventually("the store's failure", func() bool { return s.Snapshot().LastError.Code == storeUnavailable })
	away(false)
	w.waitFor(s, DisconnectedBanned)
}

// A ban for a while keeps the credentials, and a restart asks at once whether it is over.
func TestFaultD9RestartEndsABan(t *testing.T) {
	w := newWorld(t)
	s := w.pair(newMemory(t))
	w.fault(emulator.Fault{Kind: emulator.FaultBan})
	w.waitFor(s, DisconnectedBanned)
	w.emu.ClearFaults()
	if err := s.Restart(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.waitFor(s, Ready)
	// One that is READY logs in again, once however often it is ordered at once.
	logins := w.emu.Devices()[0].Logins
	for range 3 {
		if err := s.Restart(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if now := s.Snapshot(); now.Pending || now.State != Ready {
		t.Errorf("a session that has just come to READY begins anew: %+v", now)
	}
	s.update(func(now *Snapshot) { now.ConnectedAt = now.ConnectedAt.Add(-time.Minute) })
	if err := s.Restart(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.eventually("another login", func() bool { return w.emu.Devices()[0].Logins > logins })
	w.waitFor(s, Ready)
}

// What time does not cure is ERROR with its code, for requests too, until a restart.
func TestFaultD9WhatTimeDoesNotCure(t *testing.T) {
	w := newWorld(t)
	s := w.pair(newMemory(t))
	w.fault(emulator.Fault{Kind: emulator.FaultFail, Code: 409})
	w.fault(emulator.Fault{Kind: emulator.FaultDrop, ForMS: 1})
	if now := w.waitFor(s, Error); now.LastError.Code != codeLoginRefused || !strings.Contains(now.LastError.Message, "409") {
		t.Errorf("%+v", now.LastError)
	}
	w.emu.ClearFaults()
	for range 5 {
		s.Wake()
		if now := s.Snapshot(); now.State != Error {
			t.Fatalf("a request leads to %s", now.State)
		}
	}
	if err := s.Restart(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.waitFor(s, Ready)
}

// The first keep-alive that is not answered ends the connection: it is sent 20 to 28 s after the last,
// and waited for 10 s.
func TestFaultD9UnansweredKeepAlive(t *testing.T) {
	w := newWorld(t)
	s := w.pair(newMemory(t))
	logins := w.emu.Devices()[0].Logins
	s.post(&events.KeepAliveTimeout{ErrorCount: 1})
	w.eventually("another login", func() bool { return w.emu.Devices()[0].Logins > logins }) // the pause before it may be none
	w.waitFor(s, Ready)
}

// No more reconnection attempts are shown than the maximum that is shown beside them.
func TestFaultD9AttemptsShown(t *testing.T) {
	w := newWorld(t)
	s := w.pair(newMemory(t))
	s.misses.attempts = 40 // run's, which follows a connection and looks at them when that ends
	s.post(&events.KeepAliveTimeout{ErrorCount: 1})
	if now := w.waitFor(s, DisconnectedRecoverable); now.Attempts != MaxReconnections {
		t.Errorf("%d of %d attempts", now.Attempts, MaxReconnections)
	}
	if err := s.Restart(context.Background()); err != nil { // ends the pause
		t.Fatal(err)
	}
	w.waitFor(s, Ready)
}

// Drops after each READY are followed by logins at once only the first time.
func TestFaultB3DropsAfterEachReady(t *testing.T) {
	w := newWorld(t)
	s := w.pair(newMemory(t))
	before := w.emu.Devices()[0].Logins
	for begun := time.Now(); time.Since(begun) < 3*time.Second; time.Sleep(5 * time.Millisecond) {
		if s.Snapshot().State == Ready {
			w.fault(emulator.Fault{Kind: emulator.FaultDrop})
		}
	}
	w.emu.ClearFaults()
	if logins := w.emu.Devices()[0].Logins - before; logins > 4 {
		t.Errorf("%d logins in 3 s", logins)
	}
}

// A pairing that was refused, and a logout, end at the first request for a QR.
func TestFaultA13FirstRequestPairs(t *testing.T) {
	w := newWorld(t)
	s := w.pair(newMemory(t))
	if err := w.emu.Unlink(account, w.emu.Devices()[0].Device); err != nil {
		t.Fatal(err)
	}
	w.eventually("the logout", func() bool { return s.peek().State == DisconnectedLogout })
	if err := s.RenewQR(context.Background()); err != nil {
		t.Fatal(err)
	}
	if now := s.Snapshot(); !now.Pending && now.State == DisconnectedLogout {
		t.Errorf("the first request is told of the old state: %+v", now)
	}
	if now := w.waitFor(s, QRRequired); now.LastError.Code != "" {
		t.Errorf("last error %+v beside a QR", now.LastError)
	}
}

// buffer is a log that many write to.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// An account without a way to WhatsApp says so once, however often it is tried and asked for.
func TestFaultB8UnchangedReasonIsLoggedRarely(t *testing.T) {
	var log buffer
	w := newLoggingWorld(t, slog.New(slog.NewTextHandler(&log, nil)))
	s := w.pair(newMemory(t))
	_ = w.emu.Close()
	w.eventually("a few failures", func() bool {
		now := s.Snapshot()
		return now.Attempts >= MaxReconnections && now.State == DisconnectedRecoverable
	})
	log.mu.Lock()
	defer log.mu.Unlock()
	if n := strings.Count(log.text.String(), "connect to WhatsApp"); n > 2 { // one a state
		t.Errorf("%d lines for one reason:\n%s", n, log.text.String())
	}
}

// Codes 413 and 414 ask whatsmeow for a token that no client of ours has; they must not end the process.
func TestFaultA7NoTokenNoPanic(t *testing.T) {
	w := newWorld(t)
	s := w.pair(newMemory(t))
	w.fault(emulator.Fault{Kind: emulator.FaultFail, Code: 413})
	w.fault(emulator.Fault{Kind: emulator.FaultDrop, ForMS: 1})
	w.eventually("the refusal", func() bool { return s.Snapshot().LastError.Code == codeLoginRefused })
	w.emu.ClearFaults()
	w.waitFor(s, Ready)
}
