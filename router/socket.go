package router

import (
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
)

// socket is a TCP connection whose system calls Go's scheduler is not told of. They never wait, since
// Go's sockets do not block: where there is nothing to be done the poller waits, as ever.
//
// The scheduler takes the processor from a goroutine whose system call has lasted 20 µs (retake of
// package runtime), gives it to another thread, and looks again 50 times a millisecond. On a machine
// with as much to do as it has cores, that is any call that the kernel was interrupted in: a sixth of
// what forwarding a request costs (bench/README.md).
//
// One goroutine reads at a time, and one writes.
type socket struct {
	net.Conn
	in, out transfer
	seat    seat // nil: nobody asks
}

// seat is told whether a connection waits for the other side, which cannot be seen from outside.
type seat interface {
	Waits()
	Goes()
}

// transfer is one direction.
type transfer struct {
	wait func(attempt func(fd uintptr) (done bool)) error // attempts until it is done: syscall.RawConn
	try  func(fd uintptr) (done bool)                     // attempt
	call uintptr

	bytes  []byte // that are still to be had, or written
	n      int
	failed syscall.Errno
}

// mostAtOnce are the bytes of one system call, which holds its processor until it has copied them.
const mostAtOnce = 64 << 10

// newSocket is c as a socket; c itself where it is no TCP connection.
func newSocket(c net.Conn) net.Conn {
	tcp, ok := c.(syscall.Conn)
	if !ok {
		return c
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return c
	}
	s := &socket{Conn: c}
	s.seat, _ = c.(seat)
	s.in = transfer{wait: raw.Read, call: syscall.SYS_READ, try: s.in.attempt}
	s.out = transfer{wait: raw.Write, call: syscall.SYS_WRITE, try: s.out.attempt}
	return s
}

// attempt reads once, or writes all; false: the connection is to be waited for.
func (t *transfer) attempt(fd uintptr) (done bool) {
	for {
		part := t.bytes[:min(len(t.bytes), mostAtOnce)]
		n, err := systemCall(t.call, fd, part)
		switch err {
		case 0:
			t.n += n
			t.bytes = t.bytes[n:]
			if t.call == syscall.SYS_READ || len(t.bytes) == 0 {
				return true
			}
		case syscall.EINTR:
		case syscall.EAGAIN:
			return false
		default:
			t.failed = err
			return true
		}
	}
}

func (s *socket) move(t *transfer, name string, b []byte) (int, error) {
	t.bytes, t.n, t.failed = b, 0, 0
	err := t.wait(t.try)
	t.bytes = nil
	if err == nil && t.failed != 0 {
		err = &net.OpError{Op: name, Net: "tcp", Source: s.LocalAddr(), Addr: s.RemoteAddr(), Err: os.NewSyscallError(name, t.failed)}
	}
	return t.n, err
}

// Read lets whoever is ready go first: the request may have come by then, and need not be waited for.
func (s *socket) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if s.seat != nil {
		s.seat.Waits()
		defer s.seat.Goes()
	}
	runtime.Gosched()
	n, err := s.move(&s.in, "read", b)
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, err
}

// Write writes all of b, unless it fails.
func (s *socket) Write(b []byte) (int, error) { return s.move(&s.out, "write", b) }
