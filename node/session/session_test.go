package session

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	wastore "go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/store/sqlstore"
	_ "modernc.org/sqlite"

	"go.mau.fi/util/dbutil"

	"session-manager/bench/emulator"
	"session-manager/node/ownership"
)

// memory is an account over whatsmeow's own store, unfenced, with the messages in memory.
type memory struct {
	container *sqlstore.Container

	mu       sync.Mutex // guards what follows
	sends    map[string]Send
	incoming map[string]Incoming
	puts     int
	failPuts int // so many PutIncoming fail first
	away     bool
	loadErr  error
	panics   int // so many Device calls panic first
}

func newMemory(t *testing.T) *memory {
	t.Helper()
	db, err := dbutil.NewWithDialect("file:"+filepath.Join(t.TempDir(), "wa.db")+"?_pragma=foreign_keys(1)&_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)", "sqlite")
	if err != nil {
		t.Fatal(err)
	}
	db.RawDB.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.RawDB.Close() })
	m := &memory{container: sqlstore.NewWithDB(db.RawDB, "sqlite3", nil), sends: map[string]Send{}, incoming: map[string]Incoming{}}
	if err := m.container.Upgrade(context.Background()); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *memory) Device(ctx context.Context) (*wastore.Device, error) {
	m.mu.Lock()
	err := m.loadErr
	m.panics--
	panics := m.panics >= 0
	m.mu.Unlock()
	if panics {
		panic("on purpose")
	}
	if err != nil {
		return nil, err
	}
	return m.container.GetFirstDevice(ctx)
}

func (m *memory) Sending(ctx context.Context, send Send, reserve bool) (context.Context, func() ([]string, bool)) {
	ctx, cancel := context.WithCancel(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, stands := m.sends[send.Key]; stands && reserve {
		cancel()
		return ctx, func() ([]string, bool) { return nil, true }
	}
	m.sends[send.Key] = send
	return ctx, func() ([]string, bool) { cancel(); return []string{"somebody:0"}, false }
}

func (m *memory) Standing(_ context.Context, key string) (Send, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.sends[key]
	return s, ok, nil
}

func (m *memory) Finish(key string, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.sends[key]
	s.Done, s.Timestamp = true, at
	m.sends[key] = s
}

func (m *memory) PutIncoming(ctx context.Context, in Incoming) error {
	m.mu.Lock()
	m.puts++
	fails := m.puts <= m.failPuts || m.away
	if !fails {
		m.incoming[in.MessageID] = in
	}
	m.mu.Unlock()
	if fails {
		ctx.Value(failedKey{}).(func(error))(ErrStoreUnavailable)
		return ErrStoreUnavailable
	}
	return nil
}

type failedKey struct{}

func (m *memory) OnFailure(ctx context.Context, failed func(error)) context.Context {
	return context.WithValue(ctx, failedKey{}, failed)
}

func (m *memory) Answers(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return ErrStoreUnavailable
	}
	return nil
}

func (m *memory) Quiesce() {}

// world is an emulator and an engine that speaks to it. whatsmeow's root key is a variable of
// the process, so all tests share one emulator's.
type world struct {
	t      *testing.T
	emu    *emulator.Emulator
	engine *Engine
}

func newWorld(t *testing.T) *world {
	t.Helper()
	emu, err := emulator.New(emulator.Options{RootKeySeed: []byte("session tests"), FewPrekeys: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := emu.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = emu.Close() })
	key := emu.RootKey()
	log := slog.New(slog.DiscardHandler)
	if os.Getenv("VERBOSE") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	engine, err := NewEngine(Config{Endpoint: emu.About().Endpoint, RootKey: key[:], Timing: ownership.DefaultTiming(),
		Log: log, Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(engine.Close)
	return &world{t: t, emu: emu, engine: engine}
}

func newHold(c ownership.Cliente) *ownership.Hold {
	lease := ownership.NewLease(1, time.Now(), time.Hour, time.Second)
	return ownership.NewHold(context.Background(), c, ownership.Token{Generation: 1, Revision: 1}, lease)
}

func (w *world) start(account Account) *Session {
	s, _ := w.startHeld(account)
	return s
}

func (w *world) startHeld(account Account) (*Session, *ownership.Hold) {
	hold := newHold(51)
	s := w.engine.Start(hold, account)
	w.t.Cleanup(func() {
		s.Stop(ownership.ErrReleased)
		select {
		case <-s.Done():
		case <-time.After(10 * time.Second):
			w.t.Error("the session does not end")
		}
		hold.End(ownership.ErrReleased)
	})
	return s, hold
}

// waitFor waits until the session is in a state.
func (w *world) waitFor(s *Session, state State) Snapshot {
	w.t.Helper()
	deadline := time.After(15 * time.Second)
	for {
		changed := s.Changed()
		now := s.Snapshot()
		if now.State == state {
			return now
		}
		select {
		case <-changed:
		case <-deadline:
			w.t.Fatalf("state is %s (%s), want %s", now.State, now.LastError.Message, state)
		}
	}
}

const (
	account = "5491100000001"
	friend  = "5491100000002"
)

// pair brings a session from nothing to READY.
func (w *world) pair(m *memory) *Session {
	w.t.Helper()
	for _, number := range []string{account, friend} {
		if _, err := w.emu.AddPhone(number, "phone"); err != nil {
			w.t.Fatal(err)
		}
	}
	s := w.start(m)
	qr := w.waitFor(s, QRRequired)
	if _, err := w.emu.Scan(context.Background(), account, qr.QR); err != nil {
		w.t.Fatal(err)
	}
	w.waitFor(s, Ready)
	return s
}

func message(key, text string) Message {
	return Message{To: friend, Text: text, Key: key, BodyHash: sha256.Sum256([]byte(text))}
}

func (w *world) inbox(number string) []emulator.Message {
	w.t.Helper()
	inbox, err := w.emu.Inbox(number)
	if err != nil {
		w.t.Fatal(err)
	}
	return inbox
}

func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("waited in vain: %s", what)
		}
	}
}

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
	s.Wake()
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
	s.Wake()
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

func TestParseRecipient(t *testing.T) {
	for text, want := range map[string]string{
		"5491100000001":                 "5491100000001@s.whatsapp.net",
		"+54 911 0000-0001":             "5491100000001@s.whatsapp.net",
		"5491100000001@c.us":            "5491100000001@s.whatsapp.net",
		"5491100000001@s.whatsapp.net":  "5491100000001@s.whatsapp.net",
		"120363000000000000@g.us":       "120363000000000000@g.us",
		"5491100000001-1600000000@g.us": "5491100000001-1600000000@g.us",
	} {
		if got, err := ParseRecipient(text); err != nil || got.String() != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "abc", "123", "5491100000001x", "@c.us", "5491100000001@lid", "a@g.us", "54911000000011234567", "++549110000001"} {
		if got, err := ParseRecipient(text); !errors.Is(err, ErrInvalidRecipient) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}
