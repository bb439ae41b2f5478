package entrance

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// failing is a listener whose accept fails as often as it is told.
type failing struct {
	net.Listener
	errs  []error
	calls atomic.Int32
}

func (f *failing) Accept() (net.Conn, error) {
	if n := int(f.calls.Add(1)) - 1; n < len(f.errs) {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: f.errs[n]}
	}
	return f.Listener.Accept()
}

// opened echoes at an entrance whose listener fails first.
func opened(t *testing.T, b Bounds, errs ...error) *Listener {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := Bound(&failing{Listener: tcp, errs: errs}, "test", b, NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				if !errors.Is(err, net.ErrClosed) {
					t.Error(err)
				}
				return
			}
			serving.Go(func() {
				defer c.Close()
				_, _ = io.Copy(c, struct{ io.Reader }{c})
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		l.mu.Lock()
		var left []*Conn
		for c := range l.conns {
			left = append(left, c)
		}
		l.mu.Unlock()
		for _, c := range left {
			_ = c.Close()
		}
		serving.Wait()
	})
	return l
}

// caller is a connection from a loopback address.
func caller(t *testing.T, l *Listener, from string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 20 * time.Second}
	c, err := d.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// echoes says whether the connection is served.
func echoes(c net.Conn) error {
	if _, err := c.Write([]byte("x")); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, 1))
	return err
}

// Whatever accept fails with, it is tried again.
func TestFaultC2AcceptGoesOn(t *testing.T) {
	l := opened(t, Bounds{}, syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED, syscall.ENOBUFS, syscall.EPROTO)
	if err := echoes(caller(t, l, "127.0.0.1")); err != nil {
		t.Error(err)
	}
}

// All places are taken: the next waits, and is served when one is given back, or was quiet too long.
func TestFaultC2WhoComesLaterWaits(t *testing.T) {
	l := opened(t, Bounds{Most: 3})
	var first []net.Conn
	for range 3 {
		c := caller(t, l, "127.0.0.1")
		if err := echoes(c); err != nil {
			t.Fatal(err)
		}
		first = append(first, c)
	}
	waits := caller(t, l, "127.0.0.1")
	_ = first[1].Close()
	if err := echoes(waits); err != nil {
		t.Errorf("a place was given back: %v", err)
	}
	if err := echoes(caller(t, l, "127.0.0.1")); err != nil {
		t.Errorf("others are quiet: %v", err)
	}
	if err := errors.Join(echoes(first[0]), echoes(first[2])); err == nil {
		t.Error("nobody has made room")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.conns) > 3 {
		t.Errorf("%d connections", len(l.conns))
	}
}

// One source does not take the places of others, however many connections it opens.
func TestFaultC9OneSourceKeepsNobodyOut(t *testing.T) {
	l := opened(t, Bounds{Most: 12, PerSource: 8})
	for range 24 { // the listen queue has room for the rest
		_ = caller(t, l, "127.0.0.1")
	}
	for range 3 {
		c := caller(t, l, "127.0.0.2")
		for range 3 {
			if err := echoes(c); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A source that has all that it may is told so, where none of its connections makes room.
func TestFaultC9RefusedWithAnAnswer(t *testing.T) {
	l := opened(t, Bounds{Most: 4, PerSource: 1})
	busy := caller(t, l, "127.0.0.1")
	if err := echoes(busy); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var talking sync.WaitGroup
	talking.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				_ = echoes(busy)
			}
		}
	})
	defer talking.Wait()
	defer close(stop)
	second := caller(t, l, "127.0.0.1")
	if _, err := io.WriteString(second, "GET /status HTTP/1.1\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(second)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 503 ") || !strings.Contains(string(answer), "Retry-After: 1\r\n") {
		t.Errorf("%q, %v", answer, err)
	}
	if err := echoes(caller(t, l, "127.0.0.2")); err != nil {
		t.Errorf("another source: %v", err)
	}
	_, text, _ := strings.Cut(tooBusy, "\r\n\r\n")
	if !strings.Contains(tooBusy, "Content-Length: 118\r\n") || len(text) != 118 {
		t.Errorf("the answer has %d bytes", len(text))
	}
}

// A connection that was taken over, as those of other nodes are, is never closed for another.
func TestTakenOverConnectionsStay(t *testing.T) {
	l := opened(t, Bounds{Most: 2})
	a, b := caller(t, l, "127.0.0.1"), caller(t, l, "127.0.0.1")
	if err := errors.Join(echoes(a), echoes(b)); err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	for c := range l.conns {
		if c.RemoteAddr().String() == a.LocalAddr().String() {
			_ = c.SetDeadline(time.Time{})
		}
	}
	l.mu.Unlock()
	if err := echoes(caller(t, l, "127.0.0.1")); err != nil {
		t.Fatal(err)
	}
	if err := echoes(a); err != nil {
		t.Errorf("the one that was taken over: %v", err)
	}
	if err := echoes(b); err == nil {
		t.Error("the other one stays too")
	}
}

// Where all connections go while one waits for a place, there is nobody to make room.
func TestAllGoWhileOneWaits(t *testing.T) {
	l := opened(t, Bounds{Most: 1})
	l.mu.Lock()
	l.full = true // seat, which has not seen yet that they have gone
	l.mu.Unlock()
	looked := make(chan struct{})
	go func() { // as its timer does: a panic ends the process
		defer close(looked)
		l.look()
	}()
	<-looked
}
