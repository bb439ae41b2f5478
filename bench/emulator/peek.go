package emulator

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"
)

// peekListener hands out connections that can say whether their other end is still open. The
// referee needs it: when a device logs in again, its old socket may be registered still while
// the peer's close is already in the kernel. Only a socket that was truly open at that moment
// is an overlap.
type peekListener struct{ net.Listener }

func (l peekListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &peekConn{Conn: c}, nil
}

type peekConn struct {
	net.Conn
	reading atomic.Bool // a Read is in the kernel, so everything before was processed
}

func (c *peekConn) Read(b []byte) (int, error) {
	c.reading.Store(true)
	n, err := c.Conn.Read(b)
	c.reading.Store(false)
	return n, err
}

type peekState int

const (
	peekOpen    peekState = iota // nothing waits in the kernel: the peer has it open
	peekPending                  // bytes wait, maybe a close
	peekClosed                   // the peer has closed
)

func (c *peekConn) peek() peekState {
	sc, ok := c.Conn.(syscall.Conn)
	if !ok {
		return peekOpen
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return peekClosed
	}
	state := peekClosed
	err = raw.Control(func(fd uintptr) {
		var one [1]byte
		n, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		switch {
		case errors.Is(err, syscall.EAGAIN):
			state = peekOpen
		case err == nil && n > 0:
			state = peekPending
		}
	})
	if err != nil {
		return peekClosed
	}
	return state
}

// probe says whether the peer of a socket has it open. What the peer sent before is given
// time to be processed, since a close frame may be among it; ended tells that it was.
func (c *peekConn) probe(ended func() bool) bool {
	const patience = 500 * time.Millisecond // a busy machine may keep our reader waiting
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if ended() {
			return false
		}
		if !c.reading.Load() {
			continue
		}
		switch c.peek() {
		case peekClosed:
			return false
		case peekOpen:
			return true
		}
	}
	return !ended()
}

type peekKey struct{}

func withPeekConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, peekKey{}, c)
}

func peekConnOf(r *http.Request) *peekConn {
	c, _ := r.Context().Value(peekKey{}).(*peekConn)
	return c
}
