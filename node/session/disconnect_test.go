package session

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	wastore "go.mau.fi/whatsmeow/store"

	"session-manager/bench/emulator"
	"session-manager/node/ownership"
)

func TestUnlinkedThenPairedAgain(t *testing.T) {
	w := newWorld(t)
	m := newMemory(t)
	s := w.pair(m)
	if err := w.emu.Unlink(account, w.emu.Devices()[0].Device); err != nil {
		t.Fatal(err)
	}
	w.waitFor(s, DisconnectedLogout)
	if _, err := s.Send(context.Background(), message("k", "x")); !errors.Is(err, ErrNotReady) {
		t.Errorf("send after logout: %v", err)
	}
	s.Wake()
	qr := w.waitFor(s, QRRequired)
	if _, err := w.emu.Scan(context.Background(), account, qr.QR); err != nil {
		t.Fatal(err)
	}
	w.waitFor(s, Ready)
}

// A logout is reported at least once before a request pairs anew.
func TestLogoutIsSeen(t *testing.T) {
	w := newWorld(t)
	s := w.pair(newMemory(t))
	if err := w.emu.Unlink(account, w.emu.Devices()[0].Device); err != nil {
		t.Fatal(err)
	}
	w.eventually("the logout", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.now.State == DisconnectedLogout
	})
	s.Wake()
	if state := s.Snapshot().State; state != DisconnectedLogout {
		t.Errorf("the first request sees %s", state)
	}
}

func TestDroppedSocketComesBack(t *testing.T) {
	w := newWorld(t)
	s := w.pair(newMemory(t))
	if err := w.emu.SetFault(emulator.Fault{Kind: "drop", Number: account}); err != nil {
		t.Fatal(err)
	}
	w.waitFor(s, DisconnectedRecoverable)
	w.emu.ClearFaults()
	w.waitFor(s, Ready)
	if _, err := s.Send(context.Background(), message("k", "back")); err != nil {
		t.Error(err)
	}
}

func TestBan(t *testing.T) {
	w := newWorld(t)
	s := w.pair(newMemory(t))
	if err := w.emu.SetFault(emulator.Fault{Kind: "ban", Number: account}); err != nil {
		t.Fatal(err)
	}
	if err := w.emu.SetFault(emulator.Fault{Kind: "drop", Number: account, ForMS: 1}); err != nil {
		t.Fatal(err)
	}
	w.waitFor(s, DisconnectedBanned)
}

// A version that WhatsApp refuses is looked up anew, and the login tried once more.
func TestOutdatedVersionIsRefreshed(t *testing.T) {
	w := newWorld(t)
	s := w.pair(newMemory(t))
	w.engine.refresh.Lock()
	w.engine.last = time.Time{}
	w.engine.refresh.Unlock()
	w.engine.version.Store(&wastore.WAVersionContainer{2, 3000, 1})
	if err := w.emu.SetFault(emulator.Fault{Kind: "outdated", Number: account}); err != nil {
		t.Fatal(err)
	}
	if err := w.emu.SetFault(emulator.Fault{Kind: "drop", Number: account, ForMS: 1}); err != nil {
		t.Fatal(err)
	}
	w.eventually("the version to be looked up", func() bool { return w.engine.version.Load()[2] > 1 })
	w.waitFor(s, Ready)
}

func TestConflict(t *testing.T) {
	w := newWorld(t)
	m := newMemory(t)
	first := w.pair(m)
	second := w.start(m) // as after a pause: the same credentials elsewhere
	w.waitFor(first, DisconnectedRecoverable)
	if code := first.Snapshot().LastError.Code; code != "STREAM_REPLACED" {
		t.Errorf("code %s", code)
	}
	first.hold.End(ownership.ErrFenced)
	<-first.Done()
	w.waitFor(second, Ready)
}

func TestCorruptCredentials(t *testing.T) {
	w := newWorld(t)
	m := newMemory(t)
	m.loadErr = fmt.Errorf("row: %w", ErrCorrupt)
	s := w.start(m)
	if now := w.waitFor(s, Error); now.LastError.Code != "CREDENTIALS_CORRUPT" {
		t.Errorf("%+v", now.LastError)
	}
	m.mu.Lock()
	m.loadErr = nil
	m.mu.Unlock()
	if err := s.Restart(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.waitFor(s, QRRequired)
}

func TestPanicStaysInside(t *testing.T) {
	w := newWorld(t)
	m := newMemory(t)
	m.panics = 1
	s := w.start(m)
	if now := w.waitFor(s, Error); now.LastError.Code != "PANIC" {
		t.Errorf("%+v", now.LastError)
	}
	if err := s.Restart(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.waitFor(s, QRRequired)
}

func TestOwnershipEndsTheSession(t *testing.T) {
	w := newWorld(t)
	s, hold := w.startHeld(newMemory(t))
	w.waitFor(s, QRRequired)
	begun := time.Now()
	hold.End(ownership.ErrLeaseLost)
	<-s.Done()
	if took := time.Since(begun); took > w.engine.cfg.Timing.Stop {
		t.Errorf("took %v", took)
	}
	if !errors.Is(s.Err(), ownership.ErrLeaseLost) {
		t.Errorf("ended with %v", s.Err())
	}
}

func TestUnreachable(t *testing.T) {
	w := newWorld(t)
	_ = w.emu.Close()
	s := w.start(newMemory(t))
	if now := w.waitFor(s, Error); now.LastError.Code != "CONNECT_FAILED" {
		t.Errorf("%+v", now.LastError)
	}
	if w.engine.Reachable() == nil {
		t.Error("the engine thinks that it can be reached")
	}
}
