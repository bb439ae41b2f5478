package session

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.mau.fi/util/dbutil"
	wastore "go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/store/sqlstore"
	_ "modernc.org/sqlite"

	"session-manager/bench/emulator"
	"session-manager/node/keyless"
	"session-manager/node/ownership"
)

// memory is an account over whatsmeow's own store, unfenced, with the messages in memory.
type memory struct {
	container *sqlstore.Container
	db        *sql.DB

	mu       sync.Mutex // guards what follows
	sends    map[string]Send
	incoming map[string]Incoming
	puts     int
	failPuts int // so many PutIncoming fail first
	away     bool
	told     []string // keys
	refuse   bool     // PutIncoming
	loadErr  error
	panics   int // so many Device calls panic first
	stored   *RestrictedError
}

func newMemory(t *testing.T) *memory {
	t.Helper()
	db, err := dbutil.NewWithDialect("file:"+filepath.Join(t.TempDir(), "wa.db")+"?_pragma=foreign_keys(1)&_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)", "sqlite")
	if err != nil {
		t.Fatal(err)
	}
	db.RawDB.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.RawDB.Close() })
	m := &memory{container: sqlstore.NewWithDB(db.RawDB, "sqlite3", nil), db: db.RawDB, sends: map[string]Send{}, incoming: map[string]Incoming{}}
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
	m.mu.Lock()
	stored := m.stored
	m.mu.Unlock()
	if stored != nil {
		return nil, stored
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

func (m *memory) Told(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.told = append(m.told, key)
}

// Open is as the store's: every send of a minted key that nobody was told of.
func (m *memory) Open() (list []Send) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.sends {
		if keyless.Is(s.Key) && !slices.Contains(m.told, s.Key) {
			s.Begun = time.Now()
			list = append(list, s)
		}
	}
	return list
}

func (m *memory) PutIncoming(ctx context.Context, in Incoming) error {
	m.mu.Lock()
	m.puts++
	fails := m.puts <= m.failPuts || m.away
	if !fails {
		m.incoming[in.MessageID] = in
	}
	refused := m.refuse
	m.mu.Unlock()
	if refused {
		return ErrRefused
	}
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

func (m *memory) EndRest(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loadErr = nil
	return nil
}

func (m *memory) Forget(ctx context.Context, why Restriction) error {
	m.mu.Lock()
	away := m.away
	m.mu.Unlock()
	if away {
		return ErrStoreUnavailable
	}
	device, err := m.container.GetFirstDevice(ctx)
	if err != nil {
		return err
	}
	phone := ""
	if device.ID != nil {
		phone = "+" + device.ID.User
		if err := m.container.DeleteDevice(ctx, device); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stored = nil; why.Code != 0 {
		m.stored = &RestrictedError{Restriction: why, Phone: phone}
	}
	return nil
}

func (m *memory) Lift(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stored = nil
	return nil
}

func (m *memory) Quiesce() {}

// world is an emulator and an engine that speaks to it. whatsmeow's root key is a variable of
// the process, so all tests share one emulator's.
type world struct {
	t        *testing.T
	emu      *emulator.Emulator
	engine   *Engine
	registry *prometheus.Registry
}

func newWorld(t *testing.T) *world {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	if os.Getenv("VERBOSE") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return newLoggingWorld(t, log)
}

func newLoggingWorld(t *testing.T, log *slog.Logger) *world {
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
	registry := prometheus.NewRegistry()
	engine, err := NewEngine(Config{Endpoint: emu.About().Endpoint, RootKey: key[:], Timing: ownership.DefaultTiming(),
		Log: log, Registerer: registry})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(engine.Close)
	return &world{t: t, emu: emu, engine: engine, registry: registry}
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
