package session

import (
	"context"
	"errors"
	"testing"

	"session-manager/node/ownership"
)

func TestPairSendReceive(t *testing.T) {
	w := newWorld(t)
	m := newMemory(t)
	s := w.pair(m)
	if phone := s.Snapshot().Phone; phone != "+"+account {
		t.Errorf("phone %q", phone)
	}
	sent, err := s.Send(context.Background(), message("k1", "hola"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.Send(context.Background(), message("k1", "hola"))
	if err != nil || again.MessageID != sent.MessageID {
		t.Errorf("the same key again: %+v, %v", again, err)
	}
	if _, err := s.Send(context.Background(), message("k1", "other")); !errors.Is(err, ErrKeyReused) {
		t.Errorf("the same key for another body: %v", err)
	}
	w.eventually("the friend's phone to get it once", func() bool {
		inbox := w.inbox(friend)
		return len(inbox) == 1 && inbox[0].Text == "hola" && inbox[0].ID == sent.MessageID && inbox[0].Copies == 1
	})
	id, err := w.emu.SendMessage(friend, account, "¿qué tal?")
	if err != nil {
		t.Fatal(err)
	}
	w.eventually("the incoming message to be stored", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.incoming[id].Kind == "text"
	})
}

func TestRestartNeedsNoQR(t *testing.T) {
	w := newWorld(t)
	m := newMemory(t)
	s := w.pair(m)
	s.Stop(ownership.ErrReleased)
	<-s.Done()
	if !errors.Is(s.Err(), ownership.ErrReleased) {
		t.Errorf("ended with %v", s.Err())
	}
	if _, err := w.emu.SendMessage(friend, account, "while away"); err != nil {
		t.Fatal(err)
	}
	second := w.start(m)
	w.waitFor(second, Ready)
	w.eventually("the offline message", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return len(m.incoming) == 1
	})
	if stats := w.emu.Stats(); stats.Overlaps != 0 || stats.RatchetForks != 0 || stats.Undecryptable != 0 {
		t.Errorf("referee: %+v", stats)
	}
}

func TestUnstoredIncomingComesAgain(t *testing.T) {
	w := newWorld(t)
	m := newMemory(t)
	s := w.pair(m)
	m.mu.Lock()
	m.failPuts = 1
	m.mu.Unlock()
	id, err := w.emu.SendMessage(friend, account, "important")
	if err != nil {
		t.Fatal(err)
	}
	w.eventually("the first attempt", func() bool { m.mu.Lock(); defer m.mu.Unlock(); return m.puts >= 1 })
	s.Stop(ownership.ErrReleased)
	<-s.Done()
	w.waitFor(w.start(m), Ready)
	w.eventually("the message to come again", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		_, ok := m.incoming[id]
		return ok
	})
}

// A store that is away ends the connection, so that WhatsApp hears nothing of what could not be
// stored, and no login is tried before it is back. Then the message comes again.
func TestNoLoginWhileTheStoreIsAway(t *testing.T) {
	w := newWorld(t)
	m := newMemory(t)
	s := w.pair(m)
	away := func(is bool) { m.mu.Lock(); defer m.mu.Unlock(); m.away = is }
	away(true)
	logins := w.emu.Devices()[0].Logins
	id, err := w.emu.SendMessage(friend, account, "important")
	if err != nil {
		t.Fatal(err)
	}
	if now := w.waitFor(s, DisconnectedRecoverable); now.LastError.Code != storeUnavailable {
		t.Errorf("last error %+v", now.LastError)
	}
	w.eventually("a few looks at the store", func() bool { return s.Snapshot().Attempts >= 3 })
	if now := w.emu.Devices()[0].Logins; now != logins {
		t.Errorf("%d logins while the store is away", now-logins)
	}
	away(false)
	w.waitFor(s, Ready)
	w.eventually("the message to come again", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		_, ok := m.incoming[id]
		return ok
	})
}
