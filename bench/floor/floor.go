package floor

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"sync"
	"sync/atomic"

	"go.mau.fi/libsignal/logger"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"golang.org/x/sync/errgroup"

	"session-manager/bench/emulator"
)

// Floor is many whatsmeow clients in one process.
type Floor struct {
	container *sqlstore.Container
	phones    *emulator.Control
	http      *http.Client // of all clients
	received  atomic.Int64 // messages

	mu       sync.Mutex          // guards accounts
	accounts map[string]*account // by number
}

// account is one client.
type account struct {
	client *whatsmeow.Client
	codes  chan string   // the first code of each QR event, one at a time
	in     chan struct{} // closed at the first Connected
	once   sync.Once     // closes in
}

// Open opens the store and points whatsmeow, whose root key is a variable of the process, to the
// emulator whose control API is at that URL.
func Open(ctx context.Context, store, emulatorURL string) (*Floor, error) {
	var silent logger.Loggable = silence{}
	logger.Setup(&silent)
	f := &Floor{phones: emulator.Dial(emulatorURL), accounts: make(map[string]*account)}
	about, err := f.phones.About(ctx)
	if err != nil {
		return nil, err
	}
	endpoint, err1 := url.Parse(about.Endpoint)
	key, err2 := hex.DecodeString(about.RootKey)
	if err := errors.Join(err1, err2); err != nil || len(key) != 32 {
		return nil, fmt.Errorf("the emulator says it is %+v: %w", about, err)
	}
	whatsmeow.WACertPubKey = [32]byte(key)
	f.http = &http.Client{Transport: &http.Transport{DialTLSContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, endpoint.Host) // it speaks without TLS, and takes no offer of compression
	}}}
	db, dialect, err := OpenDB(store)
	if err != nil {
		return nil, err
	}
	f.container = sqlstore.NewWithDB(db, dialect, nil)
	if err := f.container.Upgrade(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return f, nil
}

// Close disconnects all clients and closes the store.
func (f *Floor) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.accounts {
		a.client.Disconnect()
	}
	f.http.CloseIdleConnections()
	f.phones.Close()
	return f.container.Close()
}

func (f *Floor) newAccount(device *store.Device) *account {
	a := &account{client: whatsmeow.NewClient(device, nil), codes: make(chan string, 1), in: make(chan struct{})}
	a.client.SetWebsocketHTTPClient(f.http)
	a.client.SetPreLoginHTTPClient(f.http)
	a.client.SetMediaHTTPClient(f.http)
	a.client.AddEventHandler(func(event any) {
		switch e := event.(type) {
		case *events.QR:
			select {
			case a.codes <- e.Codes[0]:
			default: // nobody has taken the one before
			}
		case *events.Connected:
			a.once.Do(func() { close(a.in) })
		case *events.Message:
			f.received.Add(1)
		}
	})
	return a
}

func (f *Floor) add(number string, a *account) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.accounts[number] = a
}

func (f *Floor) account(number string) (*account, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if a, ok := f.accounts[number]; ok {
		return a, nil
	}
	return nil, fmt.Errorf("no account %s", number)
}

// connected waits for the login to be complete.
func (a *account) connected(ctx context.Context) error {
	select {
	case <-a.in:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s is not connected: %w", a.client.Store.GetJID(), context.Cause(ctx))
	}
}

// Connect logs in the stored devices of the numbers, all where none are given, so many at once, and
// returns when they are in. Those that are connected already stay so.
func (f *Floor) Connect(ctx context.Context, numbers []string, atOnce int) error {
	devices, err := f.stored(ctx, numbers)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, atOnce))
	for _, device := range devices {
		if _, err := f.account(device.ID.User); err == nil {
			continue
		}
		g.Go(func() error {
			a := f.newAccount(device)
			f.add(device.ID.User, a)
			if err := a.client.Connect(); err != nil {
				return fmt.Errorf("connect %s: %w", device.ID, err)
			}
			return a.connected(ctx)
		})
	}
	return g.Wait()
}

func (f *Floor) stored(ctx context.Context, numbers []string) (devices []*store.Device, err error) {
	if len(numbers) == 0 {
		return f.container.GetAllDevices(ctx)
	}
	for _, number := range numbers {
		d, err := f.container.GetDevice(ctx, types.JID{User: number, Device: 1, Server: types.DefaultUserServer})
		if err == nil && d == nil {
			err = errors.New("it is not stored")
		}
		if err != nil {
			return nil, fmt.Errorf("device of %s: %w", number, err)
		}
		devices = append(devices, d)
	}
	return devices, nil
}

// Pair links a new device to the phone of each number by its QR code, so many at once, and
// returns when all are connected.
func (f *Floor) Pair(ctx context.Context, numbers []string, atOnce int) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, atOnce))
	for _, number := range numbers {
		g.Go(func() error {
			if err := f.pair(ctx, number); err != nil {
				return fmt.Errorf("pair %s: %w", number, err)
			}
			return nil
		})
	}
	return g.Wait()
}

func (f *Floor) pair(ctx context.Context, number string) error {
	if _, err := f.phones.AddPhone(ctx, number, "Account "+number); err != nil && !errors.Is(err, emulator.ErrConflict) {
		return err
	}
	a := f.newAccount(f.container.NewDevice())
	f.add(number, a)
	if err := a.client.Connect(); err != nil {
		return err
	}
	select {
	case code := <-a.codes:
		if _, err := f.phones.Scan(ctx, number, code); err != nil {
			return err
		}
	case <-ctx.Done():
		return fmt.Errorf("no QR code: %w", context.Cause(ctx))
	}
	return a.connected(ctx) // whatsmeow logs in by itself
}

// Report is how the process stands.
type Report struct {
	Accounts   int   `json:"accounts"`
	Connected  int   `json:"connected"`
	Received   int64 `json:"received"` // messages, since the start
	Goroutines int   `json:"goroutines"`
}

// Report tells how the process stands.
func (f *Floor) Report() Report {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := Report{Accounts: len(f.accounts), Received: f.received.Load(), Goroutines: runtime.NumGoroutine()}
	for _, a := range f.accounts {
		if a.client.IsConnected() {
			r.Connected++
		}
	}
	return r
}

// silence drops libsignal's log lines, which would go to standard output.
type silence struct{}

func (silence) Debug(string, string)   {}
func (silence) Info(string, string)    {}
func (silence) Warning(string, string) {}
func (silence) Error(string, string)   {}
func (silence) Configure(string)       {}
