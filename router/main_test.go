package router

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"session-manager/node/ownership"
	"session-manager/router/api"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// fasthttp's clock and cleaners sleep for seconds before they notice that their work is over.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*HostClient).connsCleaner"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*Client).mCleaner"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*TCPDialer).tcpAddrsClean"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

// fakeSession is a session in whatever state a test puts it.
type fakeSession struct {
	mu      sync.Mutex // guards what follows
	now     api.Snapshot
	changed chan struct{}
	sendErr error
	sent    []api.Message
	onSend  func() // before the answer
	renew   error
	restart error
	told    []string // keys
}

func newFakeSession(s api.Snapshot) *fakeSession {
	return &fakeSession{now: s, changed: make(chan struct{})}
}

func (s *fakeSession) Snapshot() api.Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *fakeSession) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

func (s *fakeSession) to(now api.Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = now
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *fakeSession) Send(_ context.Context, m api.Message) (api.Sent, error) {
	s.mu.Lock()
	s.sent = append(s.sent, m)
	hook, err := s.onSend, s.sendErr
	s.mu.Unlock()
	if hook != nil {
		hook()
	}
	return api.Sent{MessageID: "3EB0ID", Timestamp: time.Now()}, err
}

func (s *fakeSession) Told(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, key)
}

func (s *fakeSession) RenewQR(context.Context) error { return s.renew }

func (s *fakeSession) Restart(context.Context) error { return s.restart }

func (s *fakeSession) messages() []api.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]api.Message(nil), s.sent...)
}

// world is what a router asks of the rest of its node.
type world struct {
	mu       sync.Mutex // guards what follows
	at       map[ownership.Cliente]Location
	changed  chan struct{}
	session  api.Session
	localErr error
	ready    error
	known    bool
	vain     error
	asked    int // calls of Session
	orders   []string
	orderErr error
}

func newWorld() *world {
	return &world{at: make(map[ownership.Cliente]Location), changed: make(chan struct{}), known: true}
}

func (w *world) Locate(c ownership.Cliente) Location {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at[c]
}

func (w *world) Changed() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed
}

func (w *world) InVain() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.vain
}

func (w *world) move(c ownership.Cliente, at Location) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at[c] = at
	close(w.changed)
	w.changed = make(chan struct{})
}

// Running has what is Mine at once.
func (w *world) Running(c ownership.Cliente) (api.Session, ownership.Token, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.at[c].Mine || w.session == nil || w.localErr != nil {
		return nil, ownership.Token{}, false
	}
	return w.session, ownership.Token{Generation: 1, Revision: 7}, true
}

func (w *world) Session(context.Context, ownership.Cliente) (api.Session, ownership.Token, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	return w.session, ownership.Token{Generation: 1, Revision: 7}, w.localErr
}

func (w *world) SetTarget(_ context.Context, c ownership.Cliente, node string) error {
	return w.order(fmt.Sprintf("%s to %q", c, node), node)
}

func (w *world) SetDrain(_ context.Context, node string, drain bool) error {
	return w.order(fmt.Sprintf("drain %s: %v", node, drain), node)
}

func (w *world) order(order, node string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if node == "nowhere" {
		return fmt.Errorf("%w: %q", ErrUnknownNode, node)
	}
	if w.orderErr == nil {
		w.orders = append(w.orders, order)
	}
	return w.orderErr
}

func (w *world) Note() string                                           { return "" }
func (w *world) Reachable() error                                       { return nil }
func (w *world) Ready() error                                           { return w.ready }
func (w *world) Cluster() any                                           { return map[string]string{"nodes": "some"} }
func (w *world) Owner(c ownership.Cliente) any                          { return map[string]any{"cliente_id": c} }
func (w *world) Known(context.Context, ownership.Cliente) (bool, error) { return w.known, nil }

// running is a router with its ports open.
type running struct {
	*Router
	world                 *world
	public, trusted, peer string // addresses
}

func start(t testing.TB, w *world, change func(*Config)) *running {
	t.Helper()
	return startSecure(t, w, change, nil)
}

// startSecure is start with TLS on the peer port; nil: plain.
func startSecure(t testing.TB, w *world, change func(*Config), secure *tls.Config) *running {
	t.Helper()
	cfg := Config{Node: "n1", Version: "test", Directory: w, Local: w, Operator: w, Orders: w, Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry()}
	if change != nil {
		change(&cfg)
	}
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	run := &running{Router: r, world: w}
	var serving sync.WaitGroup
	var listeners []net.Listener
	for address, serve := range map[*string]func(net.Listener) error{&run.public: r.Serve, &run.trusted: r.ServeTrusted, &run.peer: r.ServePeer} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		*address = l.Addr().String()
		listeners = append(listeners, l)
		if secure != nil && address == &run.peer {
			l = tls.NewListener(l, secure)
		}
		serving.Go(func() {
			if err := serve(l); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := r.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		for _, l := range listeners { // a Serve that comes after its Shutdown would serve on
			_ = l.Close()
		}
		serving.Wait()
	})
	return run
}

// answer is a response, read.
type answer struct {
	code   int
	header http.Header
	body   string
}

// ask makes a request with headers given as "Name: value".
func ask(t *testing.T, method, url, body string, headers ...string) answer {
	t.Helper()
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		request.Header.Add(name, value)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(text)}
}
