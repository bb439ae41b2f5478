package router

import (
	"crypto/tls"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// early is by how much a deadline may be early. It is never late.
const early = time.Second

// unhurried is a TCP connection whose deadlines are seldom set. A server moves three of them for
// each request (fasthttp), which is a tenth of what an answer costs, and nearly always to a second
// further on than the last one. So one that has hardly moved stays where it is; and none is set
// before somebody reads or writes: a request that has come as a whole needs no deadline for its rest.
//
// Deadlines of one direction are set by whoever reads or writes in that direction, as fasthttp
// does. Who sets both at once has taken the connection over: from then on it is as any other.
type unhurried struct {
	net.Conn
	read, write deadline
	usual       atomic.Bool
	afterwards
}

// deadline is what was asked for, and what was set last.
type deadline struct{ want, have time.Time }

// due says whether what is wanted must be set.
func (d *deadline) due() bool {
	ahead := d.want.Sub(d.have)
	if d.want.IsZero() != d.have.IsZero() || ahead < 0 || ahead >= early {
		d.have = d.want
		return true
	}
	return false
}

func (c *unhurried) Read(b []byte) (int, error) {
	if !c.usual.Load() && c.read.due() {
		if err := c.Conn.SetReadDeadline(c.read.have); err != nil {
			return 0, err
		}
	}
	return c.Conn.Read(b)
}

func (c *unhurried) Write(b []byte) (int, error) {
	if !c.usual.Load() && c.write.due() {
		if err := c.Conn.SetWriteDeadline(c.write.have); err != nil {
			return 0, err
		}
	}
	return c.pass(c.Conn, b)
}

// SetReadDeadline is for the next Read.
func (c *unhurried) SetReadDeadline(t time.Time) error {
	if c.usual.Load() {
		return c.Conn.SetReadDeadline(t)
	}
	c.read.want = t
	return nil
}

// SetWriteDeadline is for the next Write.
func (c *unhurried) SetWriteDeadline(t time.Time) error {
	if c.usual.Load() {
		return c.Conn.SetWriteDeadline(t)
	}
	c.write.want = t
	return nil
}

// SetDeadline sets both, at once.
func (c *unhurried) SetDeadline(t time.Time) error {
	c.usual.Store(true)
	return c.Conn.SetDeadline(t)
}

// unhurriedListener accepts them. Connections that are not plain TCP keep the deadlines that they have.
type unhurriedListener struct{ net.Listener }

func (l unhurriedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	switch c := c.(type) {
	case syscall.Conn:
		return &unhurried{Conn: newSocket(c.(net.Conn)), afterwards: afterwards{raw: c}}, nil
	case *tls.Conn:
		if raw, ok := c.NetConn().(syscall.Conn); ok {
			return &encrypted{Conn: c, afterwards: afterwards{raw: raw}}, nil
		}
	}
	return c, nil
}
