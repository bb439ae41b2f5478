package router

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// connected are the two ends of a connection: as the listener has it, and what Go has by itself.
func connected(t *testing.T, over func(net.Listener) net.Listener) (accepted net.Conn, other *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	accepted, err = over(l).Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = accepted.Close() })
	return accepted, c.(*net.TCPConn)
}

func sockets(t *testing.T) (s net.Conn, other *net.TCPConn) {
	t.Helper()
	accepted, other := connected(t, func(l net.Listener) net.Listener { return l })
	s = newSocket(accepted)
	if _, ok := s.(*socket); !ok {
		t.Fatalf("a TCP connection is a %T", s)
	}
	return s, other
}

// What is written arrives, more than the kernel takes at once too, and then the end.
func TestSocketCarries(t *testing.T) {
	alsoUnwatched(t)
	s, other := sockets(t)
	sent := make([]byte, 16<<20)
	for i := range sent {
		sent[i] = byte(rand.Uint32())
	}
	for name, ends := range map[string][2]net.Conn{"out of it": {s, other}, "into it": {other, s}} {
		wrote := make(chan error, 1)
		go func() {
			n, err := ends[0].Write(sent)
			if n != len(sent) {
				err = errors.Join(err, io.ErrShortWrite)
			}
			wrote <- err
		}()
		got := make([]byte, len(sent))
		if _, err := io.ReadFull(ends[1], got); err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%s: what was read differs, %v", name, err)
		}
		if err := <-wrote; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n, err := s.Write(nil); n != 0 || err != nil {
		t.Errorf("nothing was written: %d, %v", n, err)
	}
	if n, err := s.Read(nil); n != 0 || err != nil {
		t.Errorf("nothing was read: %d, %v", n, err)
	}
	_ = other.CloseWrite()
	if n, err := s.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("at the end: %d, %v", n, err)
	}
}

// It fails as other connections do.
func TestSocketFails(t *testing.T) {
	alsoUnwatched(t)
	full := make([]byte, 64<<20)
	for _, row := range []struct {
		name    string
		disturb func(s net.Conn, other *net.TCPConn)
		want    [2]error // of a read, of a write
	}{
		{"deadlines", func(s net.Conn, _ *net.TCPConn) { _ = s.SetDeadline(time.Now().Add(20 * time.Millisecond)) },
			[2]error{os.ErrDeadlineExceeded, os.ErrDeadlineExceeded}},
		{"closed", func(s net.Conn, _ *net.TCPConn) {
			time.AfterFunc(20*time.Millisecond, func() { _ = s.Close() })
		}, [2]error{net.ErrClosed, net.ErrClosed}},
		{"reset", func(_ net.Conn, other *net.TCPConn) {
			_ = other.SetLinger(0)
			time.AfterFunc(20*time.Millisecond, func() { _ = other.Close() })
		}, [2]error{syscall.ECONNRESET, syscall.EPIPE}},
	} {
		s, other := sockets(t)
		row.disturb(s, other)
		wrote := make(chan error, 1)
		if row.want[1] != syscall.EPIPE { // which is of a write after the reset was seen
			go func() {
				n, err := s.Write(full)
				if n >= len(full) {
					t.Errorf("%s: all %d bytes were written", row.name, n)
				}
				wrote <- err
			}()
		}
		if n, err := s.Read(make([]byte, 1)); n != 0 || !errors.Is(err, row.want[0]) {
			t.Errorf("%s: a read has %d, %v, want %v", row.name, n, err, row.want[0])
		}
		if row.want[1] == syscall.EPIPE {
			_, err := s.Write(full)
			wrote <- err
		}
		if err := <-wrote; !errors.Is(err, row.want[1]) {
			t.Errorf("%s: a write has %v, want %v", row.name, err, row.want[1])
		}
	}
}

// What is no TCP connection stays what it is.
func TestSocketOfOtherConnections(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if newSocket(a) != a {
		t.Error("a pipe became a socket")
	}
}
