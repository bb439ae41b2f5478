package router

import (
	"crypto/tls"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// afterwards are calls that wait for an answer to be written. They are for the goroutine that writes.
type afterwards struct {
	raw   syscall.Conn // the TCP connection
	calls []func()
}

// onceWritten has call called when the next answer has been written without an error, to a caller who has not
// hung up.
func (a *afterwards) onceWritten(call func()) { a.calls = append(a.calls, call) }

// pass writes b to the connection, and calls what waits for that.
func (a *afterwards) pass(to net.Conn, b []byte) (int, error) {
	if len(a.calls) == 0 {
		return to.Write(b)
	}
	calls := a.calls
	a.calls = nil
	there := !hungUp(a.raw) // before the write: who has its answer may hang up at once
	n, err := to.Write(b)
	if there && err == nil {
		for _, call := range calls {
			call()
		}
	}
	return n, err
}

// hungUp says whether the other side has closed the connection, which a write does not notice. What it has
// sent before, as TLS does at the end, may still be unread.
func hungUp(c syscall.Conn) (gone bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return true
	}
	err = raw.Control(func(fd uintptr) {
		about := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		_, err := unix.Poll(about, 0)
		gone = about[0].Revents != 0 || err != nil && err != unix.EINTR
	})
	return gone || err != nil
}

// encrypted is a TLS connection of a caller's.
type encrypted struct {
	*tls.Conn
	afterwards
}

// Write writes b.
func (c *encrypted) Write(b []byte) (int, error) { return c.pass(c.Conn, b) }
