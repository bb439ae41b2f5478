package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	signallog "go.mau.fi/libsignal/logger"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waWa6"
	wastore "go.mau.fi/whatsmeow/store"

	"session-manager/node/ownership"
)

// Config is what all sessions of a node share.
type Config struct {
	DeviceName       string // shown on the phone under linked devices; "": Session Manager
	Endpoint         string // ws://host:port/ws/chat of an emulator; "": the real WhatsApp
	RootKey          []byte // 32 bytes, the root of the emulator's certificates
	Timing           ownership.Timing
	Log              *slog.Logger
	Registerer       prometheus.Registerer
	MaxReconnections int // attempts of an unpaired cliente; 0: 3, which callers know
}

// MaxReconnections is the number that callers know as max_reconnection_attempts.
const MaxReconnections = 3

// Engine starts sessions. whatsmeow keeps its version, its certificates' root and the device's
// name in variables of the process, so a process has one engine.
type Engine struct {
	cfg     Config
	log     *slog.Logger
	http    *http.Client
	metrics *metrics
	reach   atomic.Pointer[error] // how the last attempt to reach WhatsApp ended

	ctx     context.Context
	cancel  context.CancelFunc
	work    sync.WaitGroup
	refresh sync.Mutex // one refresh of the version at a time; guards last
	last    time.Time  // of the last good refresh

	version atomic.Pointer[wastore.WAVersionContainer] // nil: the one that whatsmeow was built with
}

// payload is whatsmeow's login payload with the present version. whatsmeow keeps the version
// in a variable that nothing guards, so it is set here, on a payload of its own.
func (e *Engine) payload(device *wastore.Device) *waWa6.ClientPayload {
	p := device.GetClientPayload()
	if v := e.version.Load(); v != nil {
		p.UserAgent.AppVersion = v.ProtoAppVersion()
		if pairing := p.DevicePairingData; pairing != nil {
			hash := v.Hash()
			pairing.BuildHash = hash[:]
		}
	}
	return p
}

// NewEngine makes an engine, and begins to look up WhatsApp Web's present version.
func NewEngine(cfg Config) (*Engine, error) {
	if cfg.MaxReconnections == 0 {
		cfg.MaxReconnections = MaxReconnections
	}
	if cfg.DeviceName == "" {
		cfg.DeviceName = "Session Manager"
	}
	e := &Engine{cfg: cfg, log: cfg.Log, metrics: newMetrics(cfg.Registerer)}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext
	if cfg.Endpoint != "" {
		address, err := standIn(cfg)
		if err != nil {
			return nil, err
		}
		dialer := net.Dialer{Timeout: dialTimeout}
		transport.Proxy = nil
		transport.DialTLSContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, address) // the emulator speaks without TLS
		}
		whatsmeow.WACertPubKey = [32]byte(cfg.RootKey)
		e.log.Warn("NOT the real WhatsApp: all sessions go to an emulator", "endpoint", cfg.Endpoint)
	}
	e.http = &http.Client{Transport: plain{transport}}
	wastore.DeviceProps.Os = &cfg.DeviceName
	if whatsmeow.KeepAliveIntervalMax != keepAliveMost { // others may be reading it
		whatsmeow.KeepAliveIntervalMax = keepAliveMost
	}
	var silent signallog.Loggable = silence{}
	signallog.Setup(&silent)
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.work.Go(func() {
		if err := e.refreshVersion(e.ctx, 0); err != nil && e.ctx.Err() == nil {
			e.log.Error("WhatsApp cannot be reached: sessions will not connect until it can; check this machine's way to https://web.whatsapp.com", "err", err)
		}
	})
	return e, nil
}

// standIn checks the emulator's address and key.
func standIn(cfg Config) (address string, err error) {
	u, err := url.Parse(cfg.Endpoint)
	if err != nil || u.Scheme != "ws" || u.Host == "" {
		return "", fmt.Errorf("WhatsApp endpoint %q: want ws://HOST:PORT/ws/chat", cfg.Endpoint)
	}
	if len(cfg.RootKey) != 32 {
		return "", fmt.Errorf("WhatsApp root key has %d bytes, want 32", len(cfg.RootKey))
	}
	return u.Host, nil
}

// Close ends the engine; the sessions have ended before.
func (e *Engine) Close() {
	e.cancel()
	ended := make(chan struct{})
	go func() { e.work.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(e.cfg.Timing.Stop): // a handshake that whatsmeow does not give up; nothing hangs on it
	}
	e.http.CloseIdleConnections()
}

// Reachable returns nil, or why WhatsApp could not be reached at the last attempt.
func (e *Engine) Reachable() error {
	if p := e.reach.Load(); p != nil {
		return *p
	}
	return nil
}

func (e *Engine) reached(err error) {
	if err != nil && errors.Is(err, context.Canceled) {
		return
	}
	e.reach.Store(&err)
	e.metrics.reachable.Set(map[bool]float64{true: 1}[err == nil])
}

// keepAliveMost is the longest time between two keep-alives; with the 10 s that whatsmeow waits for an
// answer, a half-open socket is noticed within 40 s.
const keepAliveMost = 28 * time.Second

// dialTimeout bounds a connection to WhatsApp.
const dialTimeout = 10 * time.Second

// versionTimeout bounds one look-up of WhatsApp Web's version.
const versionTimeout = 10 * time.Second

// refreshVersion looks up the version that WhatsApp Web has now, unless that was done within
// the last fresh. Without it a node goes on with the version that whatsmeow was built with.
func (e *Engine) refreshVersion(ctx context.Context, fresh time.Duration) error {
	e.refresh.Lock()
	defer e.refresh.Unlock()
	if !e.last.IsZero() && time.Since(e.last) < fresh {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	v, err := whatsmeow.GetLatestVersion(ctx, e.http)
	e.reached(err)
	if err != nil {
		text := err.Error() // may hold a whole page
		return fmt.Errorf("look up WhatsApp Web's version: %s", text[:min(len(text), 200)])
	}
	e.last = time.Now()
	e.version.Store(v)
	e.log.Info("WhatsApp Web's version", "version", v.String())
	return nil
}

// plain offers no compression: deflate costs 1.35 MB a client, and encrypted frames do not shrink.
type plain struct{ next http.RoundTripper }

func (p plain) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("Sec-WebSocket-Extensions") != "" {
		r = r.Clone(r.Context())
		r.Header.Del("Sec-WebSocket-Extensions")
	}
	return p.next.RoundTrip(r)
}

func (p plain) CloseIdleConnections() {
	if c, ok := p.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
