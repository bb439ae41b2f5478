package emulator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"go.mau.fi/libsignal/logger"
)

// Emulator is one stand-in for WhatsApp. All methods are safe for concurrent use.
type Emulator struct {
	options  Options
	log      *slog.Logger
	identity *identity
	referee  *referee

	ctx    context.Context // ends at Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // every goroutine of ours

	server   *http.Server
	listener net.Listener

	mu       sync.Mutex // guards what follows
	closed   bool
	accounts map[string]*account // by phone number
	lids     map[string]*account // by LID user
	forms    map[string]*account // by another national form of the number
	groups   map[string]*group   // by group user
	refs     map[string]*pairing // by QR reference
	conns    map[*conn]struct{}
	faults   []*activeFault
	sequence uint64 // of stanza IDs
}

// New makes an emulator that is not listening yet.
func New(options Options) (*Emulator, error) {
	options = options.withDefaults()
	id, err := newIdentity(options.RootKeySeed, time.Now())
	if err != nil {
		return nil, fmt.Errorf("server identity: %w", err)
	}
	// libsignal prints to standard output, and sets its logger lazily without a lock,
	// unless it has one.
	if logger.Logger == nil {
		var quiet logger.Loggable = quietSignal{}
		logger.Setup(&quiet)
	}
	e := &Emulator{
		options:  options,
		log:      options.Log,
		identity: id,
		referee:  newReferee(options.MaxEvents),
		accounts: make(map[string]*account),
		lids:     make(map[string]*account),
		forms:    make(map[string]*account),
		groups:   make(map[string]*group),
		refs:     make(map[string]*pairing),
		conns:    make(map[*conn]struct{}),
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	return e, nil
}

// Start listens on an address (port 0 is any free one) and serves until Close.
func (e *Emulator) Start(listen string) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	e.listener = peekListener{l}
	e.server = &http.Server{
		Handler:           e.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		ConnContext:       withPeekConn,
		ErrorLog:          slog.NewLogLogger(e.log.Handler(), slog.LevelDebug),
	}
	e.wg.Go(func() {
		if err := e.server.Serve(e.listener); !errors.Is(err, http.ErrServerClosed) {
			e.log.Error("the emulator stopped serving", "err", err)
		}
	})
	return nil
}

// Addr is host:port of the listener; empty before Start.
func (e *Emulator) Addr() string {
	if e.listener == nil {
		return ""
	}
	return e.listener.Addr().String()
}

// RootKey is the public key that clients must trust (whatsmeow.WACertPubKey).
func (e *Emulator) RootKey() [32]byte { return *e.identity.root.Pub }

// Close drops every socket, stops serving and waits for all goroutines.
func (e *Emulator) Close() error {
	e.mu.Lock()
	already := e.closed
	e.closed = true
	open := make([]*conn, 0, len(e.conns))
	for c := range e.conns {
		open = append(open, c)
	}
	for _, f := range e.faults {
		f.timer.Stop()
	}
	e.faults = nil
	e.mu.Unlock()
	if already {
		return nil
	}
	e.cancel()
	var err error
	if e.server != nil {
		err = e.server.Close()
	}
	for _, c := range open {
		e.hangUp(c)
	}
	e.wg.Wait()
	return err
}

// spawnLocked runs f in a goroutine that Close waits for; it does nothing once closed.
func (e *Emulator) spawnLocked(f func()) {
	if !e.closed {
		e.wg.Go(f)
	}
}

// nextIDLocked is a stanza ID that is unique in this process.
func (e *Emulator) nextIDLocked(prefix string) string {
	e.sequence++
	return fmt.Sprintf("%s-%d", prefix, e.sequence)
}

// quietSignal drops libsignal's log lines, some of which carry key material.
type quietSignal struct{}

func (quietSignal) Debug(string, string)   {}
func (quietSignal) Info(string, string)    {}
func (quietSignal) Warning(string, string) {}
func (quietSignal) Error(string, string)   {}
func (quietSignal) Configure(string)       {}
