package entrance

import (
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// Conn is a connection with a place.
type Conn struct {
	*net.TCPConn
	listener *Listener
	source   netip.Addr
	placed   bool          // guarded by the listener's mu
	since    atomic.Uint32 // the round in which it began to wait for the other side; 0: it does not wait
	spoken   atomic.Bool   // something has come
	kept     atomic.Bool   // it was taken over, and never makes room
	lingers  atomic.Bool
}

const (
	lingerTime  = 2 * time.Second
	lingerBytes = 4 << 20
	refuseTime  = 10 * time.Millisecond
)

func sourceOf(c *net.TCPConn) netip.Addr {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// Waits is called before the other side is waited for, and Goes after, by whoever reads from the
// descriptor itself.
func (c *Conn) Waits() { c.since.Store(c.listener.now()) }

// Goes is called when something has come.
func (c *Conn) Goes() {
	c.since.Store(0)
	if !c.spoken.Load() {
		c.spoken.Store(true)
	}
}

// Read reads.
func (c *Conn) Read(b []byte) (int, error) {
	c.Waits()
	n, err := c.TCPConn.Read(b)
	c.Goes()
	return n, err
}

// SetDeadline sets both deadlines, as only those do who take a connection over.
func (c *Conn) SetDeadline(t time.Time) error {
	c.kept.Store(true)
	return c.TCPConn.SetDeadline(t)
}

// Linger is called where an answer is given before the request has come as a whole: to close at
// once would make the kernel drop the answer.
func (c *Conn) Linger() { c.lingers.Store(true) }

// Close gives the place back.
func (c *Conn) Close() error {
	if c.lingers.Swap(false) && c.TCPConn.CloseWrite() == nil {
		_ = c.TCPConn.SetReadDeadline(time.Now().Add(lingerTime)) // where it fails, so does what follows
		_, _ = io.CopyN(io.Discard, c.TCPConn, lingerBytes)
	}
	err := c.TCPConn.Close()
	c.listener.leave(c)
	return err
}

// cut ends the connection without more ado.
func (c *Conn) cut() {
	_ = c.TCPConn.Close()
	c.listener.leave(c)
}

// refuse ends the connection with an answer, where one can be read. What has come is read first: what
// is unread would make the kernel drop the answer.
func (c *Conn) refuse() {
	if !c.listener.bounds.Secret {
		_ = c.TCPConn.SetDeadline(time.Now().Add(refuseTime)) // where it fails, so does what follows
		_, _ = c.TCPConn.Read(make([]byte, 16<<10))
		_, _ = io.WriteString(c.TCPConn, tooBusy)
	}
	c.cut()
}
