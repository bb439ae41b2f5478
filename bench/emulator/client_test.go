package emulator

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types/events"
	_ "modernc.org/sqlite"
	"rsc.io/qr"
)

// patience is how long a test waits for what must come; -race on a busy machine is slow.
const patience = 30 * time.Second

// start runs an emulator for a test. Its devices upload 50 one-time keys: 812 of them, in a database
// under the race detector, take longer than most tests.
func start(t *testing.T, options Options) *Emulator {
	t.Helper()
	options.RootKeySeed, options.FewPrekeys = testSeed, true
	e, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// addPhones puts phones on WhatsApp.
func addPhones(t *testing.T, e *Emulator, numbers ...string) {
	t.Helper()
	for _, n := range numbers {
		if _, err := e.AddPhone(n, "phone "+n); err != nil {
			t.Fatal(err)
		}
	}
}

// redirect makes an unmodified whatsmeow talk to the emulator: its URL is a constant, so the
// dial of its TLS connections is led elsewhere, without TLS.
func redirect(t *testing.T, e *Emulator) *http.Client {
	t.Helper()
	return redirectTo(t, e.Addr())
}

func redirectTo(t *testing.T, addr string) *http.Client {
	t.Helper()
	transport := &http.Transport{DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", addr)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// openStore is a SQLite store in a file; empty name is a new one.
func openStore(t *testing.T, file string) *sqlstore.Container {
	t.Helper()
	if file == "" {
		file = filepath.Join(t.TempDir(), "wa.db")
	}
	c, err := sqlstore.New(t.Context(), "sqlite", "file:"+file+"?_pragma=foreign_keys(1)&_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)&_pragma=synchronous(OFF)", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// client is a whatsmeow client whose events a test can wait for.
type client struct {
	*whatsmeow.Client
	t  *testing.T
	mu sync.Mutex // guards what follows
	// seen are the events so far; more is closed at the next.
	seen []any
	more chan struct{}
}

// newClient is a client over a stored device; nil is a new one.
func newClient(t *testing.T, e *Emulator, device *store.Device) *client {
	t.Helper()
	if device == nil {
		device = openStore(t, "").NewDevice()
	}
	return newClientOver(t, redirect(t, e), device)
}

func newClientOver(t *testing.T, h *http.Client, device *store.Device) *client {
	t.Helper()
	c := &client{Client: whatsmeow.NewClient(device, nil), t: t, more: make(chan struct{})}
	c.SetWebsocketHTTPClient(h)
	c.SetPreLoginHTTPClient(h)
	c.SetMediaHTTPClient(h)
	c.AddEventHandler(func(event any) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.seen = append(c.seen, event)
		close(c.more)
		c.more = make(chan struct{})
	})
	t.Cleanup(c.part)
	return c
}

// part disconnects. Where the emulator has closed the connection it waits until the client knows:
// whatsmeow's Disconnect is no match for that at the same time (NoiseSocket.Stop, FrameSocket.Close).
func (c *client) part() {
	c.t.Helper()
	eventually(c.t, "the client to know that it is offline", func() bool {
		return c.IsConnected() || errors.Is(c.SetPassive(context.Background(), false), whatsmeow.ErrNotConnected)
	})
	c.Disconnect()
}

func (c *client) connect() {
	c.t.Helper()
	if err := c.Connect(); err != nil {
		c.t.Fatal(err)
	}
}

// await waits for an event of type T that fits, among those after the first from events.
func await[T any](c *client, fits func(T) bool) T {
	c.t.Helper()
	timeout := time.After(patience)
	for {
		c.mu.Lock()
		seen, more := slices.Clone(c.seen), c.more
		c.mu.Unlock()
		for _, event := range seen {
			if e, ok := event.(T); ok && (fits == nil || fits(e)) {
				return e
			}
		}
		select {
		case <-more:
		case <-timeout:
			var zero T
			kinds := make([]string, len(seen))
			for i, event := range seen {
				kinds[i] = fmt.Sprintf("%T", event)
			}
			c.t.Fatalf("no %T in %v; events: %v; connected: %v", zero, patience, kinds, c.IsConnected())
		}
	}
}

// forget drops the events seen so far, so that await waits for new ones.
func (c *client) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = nil
}

// picture draws a code as the product does.
func picture(t *testing.T, code string) string {
	t.Helper()
	drawn, err := qr.Encode(code, qr.M)
	if err != nil {
		t.Fatal(err)
	}
	drawn.Scale = 4
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(drawn.PNG())
}

// pair links a client to a phone by the picture of its code and waits until it is connected.
func pair(t *testing.T, e *Emulator, number string) *client {
	t.Helper()
	c := newClient(t, e, nil)
	link(t, e, c, number)
	return c
}

func link(t *testing.T, e *Emulator, c *client, number string) {
	t.Helper()
	c.connect()
	code := await[*events.QR](c, nil).Codes[0]
	if _, err := e.Scan(t.Context(), number, picture(t, code)); err != nil {
		t.Fatal(err)
	}
	await[*events.Connected](c, nil)
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in %v: %s", patience, what)
		}
	}
}

type clientPayload = waWa6.ClientPayload

// nopContainer keeps a copied device from deleting the row that its original uses.
type nopContainer struct{}

func (nopContainer) PutDevice(context.Context, *store.Device) error    { return nil }
func (nopContainer) DeleteDevice(context.Context, *store.Device) error { return nil }

// internals sends what whatsmeow's own API would not: stanzas of other clients.
//
//lint:ignore SA1019 they are marked deprecated so that nobody uses them by accident
func internals(c *client) *whatsmeow.DangerousInternalClient { return c.DangerousInternals() }
