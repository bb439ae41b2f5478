package session

import (
	"bytes"
	"context"
	"runtime/pprof"
	"strings"
	"testing"
	"time"
)

// unlabelledGoroutines are whatsmeow's goroutines, by their stacks, that do not tell whose they are.
func unlabelledGoroutines(t *testing.T, cliente string) (unlabelled []string, all int) {
	t.Helper()
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		t.Fatal(err)
	}
	for _, stack := range strings.Split(profile.String(), "\n\n") {
		if !strings.Contains(stack, "go.mau.fi/whatsmeow.(*Client)") && !strings.Contains(stack, "go.mau.fi/whatsmeow/socket.") {
			continue
		}
		all++
		if !strings.Contains(stack, `"`+label+`":"`+cliente+`"`) {
			unlabelled = append(unlabelled, stack)
		}
	}
	return unlabelled, all
}

// TestFaultB1Labels: each goroutine of whatsmeow says whose it is: those of a pairing, of a login, and those
// that a send starts. What a caller's goroutine does next is nobody's again.
func TestFaultB1Labels(t *testing.T) {
	w := newWorld(t)
	m := newMemory(t)
	look := func(when string) {
		t.Helper()
		unlabelled, all := unlabelledGoroutines(t, "51")
		if all == 0 || len(unlabelled) > 0 {
			t.Errorf("%s: of %d, without a label:\n%s", when, all, strings.Join(unlabelled, "\n\n"))
		}
	}
	for _, number := range []string{account, friend} {
		if _, err := w.emu.AddPhone(number, "phone"); err != nil {
			t.Fatal(err)
		}
	}
	s := w.start(m)
	qr := w.waitFor(s, QRRequired)
	look("while a code is shown")
	if _, err := w.emu.Scan(context.Background(), account, qr.QR); err != nil {
		t.Fatal(err)
	}
	w.waitFor(s, Ready)
	look("when it is ready")
	if _, err := s.Send(context.Background(), message("k", "hola")); err != nil {
		t.Fatal(err)
	}
	look("after a send")
	within, after := make(chan struct{}), make(chan struct{})
	if err := s.onBehalf(func() error { go func() { <-within }(); return nil }); err != nil {
		t.Fatal(err)
	}
	go func() { <-after }()
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		t.Fatal(err)
	}
	close(within)
	close(after)
	for _, stack := range strings.Split(profile.String(), "\n\n") {
		switch {
		case strings.Contains(stack, "TestFaultB1Labels.func2.1") && !strings.Contains(stack, label),
			strings.Contains(stack, "TestFaultB1Labels.func3") && strings.Contains(stack, label):
			t.Error(stack)
		}
	}
}

// TestFaultB1PanicInSend: a panic on a caller's goroutine stays with the cliente, which begins anew.
func TestFaultB1PanicInSend(t *testing.T) {
	w := newWorld(t)
	s := w.pair(newMemory(t))
	if err := s.onBehalf(func() error { panic("on purpose") }); err == nil {
		t.Error("no error")
	}
	if now := w.waitFor(s, Error); now.LastError.Code != "PANIC" {
		t.Errorf("%+v", now.LastError)
	}
	s.Wake()
	w.waitFor(s, Ready)
	if _, err := s.Send(context.Background(), message("k", "hola")); err != nil {
		t.Error(err)
	}
}

// TestFaultB1Rest: a cliente that is to blame for a crash is left alone, whoever asks for it, until its
// rest is over or somebody ends it.
func TestFaultB1Rest(t *testing.T) {
	w := newWorld(t)
	m := newMemory(t)
	rest := func(left time.Duration) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.loadErr = &RestError{Left: left, Cause: "panic: poison"}
	}
	rest(time.Hour)
	s := w.start(m)
	for range 3 {
		if now := w.waitFor(s, Error); now.LastError.Code != "CRASHED" || !strings.Contains(now.LastError.Message, "poison") {
			t.Errorf("%+v", now.LastError)
		}
		s.Wake()
		if err := s.RenewQR(context.Background()); err != nil {
			t.Error(err)
		}
		if s.Snapshot().Pending {
			t.Error("callers are not told of the rest")
		}
	}
	if stats := w.emu.Stats(); s.Snapshot().State != Error || stats.Logins != 0 {
		t.Errorf("%s, %+v", s.Snapshot().State, stats)
	}
	if err := s.Restart(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.waitFor(s, QRRequired)

	rest(time.Millisecond)
	over := w.start(m)
	w.waitFor(over, Error)
	m.mu.Lock()
	m.loadErr = nil
	m.mu.Unlock()
	w.waitFor(over, QRRequired)
}
