package load

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve runs a server until the test ends.
func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// All requests arrive once, each by its own connection, over both addresses.
func TestRequestsArrive(t *testing.T) {
	var mu sync.Mutex // guards what follows
	got, conns := make(map[string]int), make(map[string]bool)
	handler := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		got[r.Method+r.URL.Path+string(body)+r.Header.Get("X-A")]++
		conns[r.RemoteAddr] = true
		_, _ = io.WriteString(w, "seen "+string(body))
	}
	var answers sync.Map
	r, err := Run(context.Background(), Options{
		Addresses: []string{serve(t, handler), serve(t, handler)}, Connections: 4, Requests: 100,
		Next: func(connection, n int) []byte {
			return Request("POST", "/p", []byte(strconv.Itoa(connection)+"/"+strconv.Itoa(n)), "X-A", "b")
		},
		See: func(connection, n, status int, body []byte) { answers.Store(string(body), status) },
	})
	if err != nil || r.Clean() != nil || r.Good() != 100 || r.Statuses[200] != 100 {
		t.Fatalf("%+v, %v, %v", r, err, r.Clean())
	}
	for request, n := range got {
		sent, _ := strings.CutPrefix(request, "POST/p")
		sent, ok := strings.CutSuffix(sent, "b")
		if status, seen := answers.Load("seen " + sent); n != 1 || !ok || !seen || status != 200 {
			t.Errorf("%q came %d times, was seen %v", request, n, seen)
		}
	}
	if len(got) != 100 || len(conns) != 4 {
		t.Errorf("%d different requests by %d connections, want 100 by 4", len(got), len(conns))
	}
	if r.Quantile(0) > r.Quantile(0.5) || r.Quantile(0.5) > r.Quantile(1) || r.Quantile(1) > r.Took || r.Quantile(0) <= 0 || r.Rate() <= 0 {
		t.Errorf("latencies %v … %v … %v of %v", r.Quantile(0), r.Quantile(0.5), r.Quantile(1), r.Took)
	}
}

// Answers other than 2xx, and connections that the server closes, are counted and survived.
func TestWhatGoesWrong(t *testing.T) {
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/0":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/1":
			w.Header().Set("Connection", "close") // orderly: no request is lost
		case "/2":
			panic(http.ErrAbortHandler) // no answer
		}
	})
	next := func(_, n int) []byte { return Request("GET", "/"+strconv.Itoa(n), nil) }
	r, err := Run(context.Background(), Options{Addresses: []string{address}, Connections: 2, Requests: 10, Next: next})
	if err != nil {
		t.Fatal(err)
	}
	if r.Statuses[503] != 2 || r.Broken != 2 || r.Bad() != 4 || r.Good() != 6 || r.Err == nil {
		t.Errorf("%+v", r)
	}
	if err := r.Clean(); !errors.Is(err, r.Err) {
		t.Errorf("clean: %v", err)
	}
	if err := (&Result{}).Clean(); err == nil {
		t.Error("a load without a request was clean")
	}
}

// The end comes in time, and the end of ctx is no answer that was missed.
func TestEnds(t *testing.T) {
	address := serve(t, func(http.ResponseWriter, *http.Request) {})
	next := func(int, int) []byte { return Request("GET", "/", nil) }
	r, err := Run(context.Background(), Options{Addresses: []string{address}, Connections: 3, For: 50 * time.Millisecond, Next: next})
	if err != nil || r.Clean() != nil || r.Took < 50*time.Millisecond {
		t.Errorf("by time: %+v, %v", r, err)
	}
	hold := make(chan struct{})
	held := serve(t, func(http.ResponseWriter, *http.Request) { <-hold })
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	r, err = Run(ctx, Options{Addresses: []string{held}, Connections: 3, Requests: 3, Next: next})
	close(hold)
	if !errors.Is(err, context.DeadlineExceeded) || r.Broken != 0 || r.Good() != 0 {
		t.Errorf("by ctx: %+v, %v", r, err)
	}
	for _, o := range []Options{{}, {Addresses: []string{address}, Connections: 1, Next: next}, {Connections: 1, Next: next, For: 1}} {
		if _, err := Run(context.Background(), o); err == nil {
			t.Errorf("%+v was run", o)
		}
	}
}

func TestRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	r, err := Run(context.Background(), Options{Addresses: []string{l.Addr().String()}, Connections: 1, Requests: 2, Next: func(int, int) []byte { return nil }})
	if err != nil || r.Broken != 2 || r.Quantile(0.5) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}
