package emulator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/coder/websocket"
	waBinary "go.mau.fi/whatsmeow/binary"

	"session-manager/bench/emulator/noise"
)

const (
	maxFrame     = 1 << 24 // three bytes of length
	lingerTime   = 500 * time.Millisecond
	restartTime  = 20 * time.Second // for a client that is told to come back: closing is its part
	writeTimeout = 90 * time.Second // a paused client's socket stays open until it is replaced or killed
)

var errHeader = errors.New("connection header")

// conn is one websocket: frames in, frames out. Reading is the HTTP handler's goroutine;
// writing is a goroutine that exists only while something waits to be written, so an idle
// connection costs one.
type conn struct {
	e      *Emulator
	ws     *websocket.Conn
	peer   *peekConn
	ctx    context.Context
	cancel context.CancelFunc
	rest   []byte // read and not yet taken as a frame

	receive, send *noise.Cipher // set once by the handshake, before any other use

	// Guarded by Emulator.mu.
	device   *device  // after login
	pairing  *pairing // before
	login    int      // its number at that device, from 1
	passive  bool     // it asked to be sent nothing until it is active
	pulls    bool     // it asks for what waited, in batches
	welcomed bool     // it was told of its login

	introduced bool // its phone has begun to tell it what a paired device waits for
	offline    offlineState
	replaced   bool // closed by us, or replaced: no longer the device's socket

	ended chan struct{} // closed when reading has ended

	mu      sync.Mutex // guards what follows
	queue   []outgoing
	writing bool
	closing bool // close after the queue is written
	restart bool // the client was told to close and to come back
}

type outgoing struct {
	node node
	raw  []byte    // a frame of the handshake, unencrypted
	due  time.Time // not before, for the fault "delay"
}

// readFrame returns the next frame, however the client cut it into websocket messages.
func (c *conn) readFrame(ctx context.Context) ([]byte, error) {
	header, err := c.take(ctx, 3)
	if err != nil {
		return nil, err
	}
	return c.take(ctx, int(header[0])<<16|int(header[1])<<8|int(header[2]))
}

func (c *conn) take(ctx context.Context, n int) ([]byte, error) {
	for len(c.rest) < n {
		kind, data, err := c.ws.Read(ctx)
		if err != nil {
			return nil, err
		}
		if kind != websocket.MessageBinary {
			return nil, fmt.Errorf("%w: a text message", errHeader)
		}
		c.rest = append(c.rest, data...)
	}
	out := c.rest[:n:n]
	c.rest = c.rest[n:]
	if len(c.rest) == 0 {
		c.rest = nil
	}
	return out, nil
}

// readHeader takes what a connection begins with: "WA", magic 6, dictionary 3; before it,
// maybe a routing blob (45 44 00 01, three bytes of length), which is not part of the
// handshake.
func (c *conn) readHeader(ctx context.Context) ([]byte, error) {
	header, err := c.take(ctx, 4)
	if err != nil {
		return nil, err
	}
	if string(header) == "ED\x00\x01" {
		if _, err = c.readFrame(ctx); err != nil {
			return nil, err
		}
		if header, err = c.take(ctx, 4); err != nil {
			return nil, err
		}
	}
	if string(header) != "WA\x06\x03" {
		return header, fmt.Errorf("%w % x: want 57 41 06 03 (another version has other token tables)", errHeader, header)
	}
	return header, nil
}

// readNode returns the next stanza.
func (c *conn) readNode() (*node, error) {
	frame, err := c.readFrame(c.ctx)
	if err != nil {
		return nil, err
	}
	plain, err := c.receive.Open(frame)
	if err != nil {
		return nil, err
	}
	if len(plain) == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	if plain, err = waBinary.Unpack(plain); err != nil {
		return nil, err
	}
	return waBinary.Unmarshal(plain)
}

// put queues a stanza; it never blocks. Stanzas leave in order, none before due.
func (c *conn) put(n node, due time.Time) { c.enqueue(outgoing{node: n, due: due}) }

func (c *conn) putRaw(frame []byte) { c.enqueue(outgoing{raw: frame}) }

func (c *conn) enqueue(o outgoing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return
	}
	c.queue = append(c.queue, o)
	c.restart = c.restart || o.node.Tag == "stream:error" && text(&o.node, "code") == restartCode
	c.startLocked()
}

// finish closes the connection once what was queued is written.
func (c *conn) finish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closing = true
	c.startLocked()
}

func (c *conn) startLocked() {
	if c.writing || c.e.ctx.Err() != nil {
		return
	}
	c.writing = true
	c.e.wg.Go(c.drain)
}

func (c *conn) drain() {
	for {
		c.mu.Lock()
		if len(c.queue) == 0 {
			c.queue = nil
			c.writing = false
			closing, patience := c.closing, lingerTime
			if c.restart {
				patience = restartTime
			}
			c.mu.Unlock()
			if closing {
				c.linger(patience)
			}
			return
		}
		next := c.queue[0]
		c.queue = c.queue[1:]
		c.mu.Unlock()
		if err := c.write(next); err != nil {
			c.e.log.Debug("write ended", "err", err)
			c.close()
			c.mu.Lock()
			c.queue, c.closing = nil, true
			c.mu.Unlock()
		}
	}
}

func (c *conn) write(o outgoing) error {
	if wait := time.Until(o.due); !o.due.IsZero() && wait > 0 {
		select {
		case <-time.After(wait):
		case <-c.ctx.Done():
			return c.ctx.Err()
		}
	}
	frame := o.raw
	if frame == nil {
		if !sound(&o.node) {
			c.e.note(Event{Kind: KindFault, Device: c.name(), Detail: "emulator: unsound stanza not sent: " + o.node.Tag})
			return nil
		}
		plain, err := waBinary.Marshal(o.node)
		if err != nil {
			return err
		}
		frame = c.send.Seal(make([]byte, 3, 3+len(plain)+16), plain)
	} else {
		frame = append(make([]byte, 3, 3+len(frame)), frame...)
	}
	size := len(frame) - 3
	if size >= maxFrame {
		return fmt.Errorf("stanza of %d bytes", size)
	}
	frame[0], frame[1], frame[2] = byte(size>>16), byte(size>>8), byte(size)
	ctx, cancel := context.WithTimeout(c.ctx, writeTimeout)
	defer cancel()
	return c.ws.Write(ctx, websocket.MessageBinary, frame)
}

// linger gives the client time to read the last stanza and to close by itself: closing with
// bytes of it unread would reset the connection, and the stanza with it. whatsmeow forgets what it has
// read and not yet looked at when its socket ends: it would not come back from a restart.
func (c *conn) linger(patience time.Duration) {
	end := time.NewTimer(patience)
	defer end.Stop()
	select {
	case <-c.ended:
	case <-c.ctx.Done():
	case <-end.C:
	}
	c.close()
}

// close ends the socket at once. Unregister it first, or its end looks like the peer's.
func (c *conn) close() {
	c.cancel()
	_ = c.ws.CloseNow()
}

func (c *conn) name() string {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	if c.device == nil {
		return ""
	}
	return c.device.pn.String()
}

func (c *conn) hasEnded() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}
