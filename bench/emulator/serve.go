package emulator

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"github.com/coder/websocket"
)

// pause lies between what a client says and the end of the stream that follows from it. No server far
// away is quicker, and clients trip over one that is.
const pause = 150 * time.Millisecond

// restartCode is the stream error that tells a client to come back, as after a pairing.
const restartCode = "515"

// soon is when such an end is due.
func soon() time.Time { return time.Now().Add(pause) }

// serveSocket is one connection from upgrade to end.
func (e *Emulator) serveSocket(w http.ResponseWriter, r *http.Request) {
	if e.refusesAll() {
		http.Error(w, "service unavailable (fault)", http.StatusServiceUnavailable)
		return
	}
	// Clients say Origin: https://web.whatsapp.com whatever the host; compression is declined:
	// encrypted frames do not compress and the context costs 1 MB a connection.
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return // Accept has answered
	}
	ws.SetReadLimit(maxFrame + 64)
	c := &conn{e: e, ws: ws, peer: peekConnOf(r), ended: make(chan struct{})}
	c.ctx, c.cancel = context.WithCancel(e.ctx)
	defer c.cancel()
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		_ = ws.CloseNow()
		return
	}
	e.wg.Add(1)
	e.conns[c] = struct{}{}
	e.mu.Unlock()
	defer e.wg.Done()

	err = e.converse(c)
	close(c.ended)
	e.unregister(c, err)
	c.close()
}

func (e *Emulator) converse(c *conn) error {
	payload, static, err := e.handshake(c)
	if err != nil {
		if !isClosed(err) {
			e.note(Event{Kind: KindRefused, Detail: "handshake: " + err.Error()})
			e.log.Warn("handshake refused", "err", err)
		}
		return err
	}
	if e.refusedByFault(c, payload) {
		return e.waitEnd(c)
	}
	if payload.DevicePairingData != nil {
		err = e.beginPairing(c, payload.DevicePairingData, static)
	} else {
		err = e.login(c, payload, static)
	}
	if err != nil {
		return err
	}
	e.introduce(c)
	for {
		n, err := c.readNode()
		if err != nil {
			return err
		}
		e.receive(c, n)
	}
}

// unregister books the end of a socket that the client, or the network, ended.
func (e *Emulator) unregister(c *conn, cause error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.conns, c)
	if c.pairing != nil {
		e.endPairingLocked(c.pairing)
	}
	d := c.device
	if d == nil || d.conn != c {
		return
	}
	d.conn = nil
	e.referee.connected(-1)
	detail := ""
	if !isClosed(cause) {
		detail = cause.Error()
	}
	e.note(Event{Kind: KindLogout, Number: d.account.number, Device: d.pn.String(), Login: c.login, Detail: detail})
}

// hangUp closes a socket from our side, at once. It is unregistered first: a quick reconnect
// of its client must not look like a second socket.
func (e *Emulator) hangUp(c *conn) {
	e.mu.Lock()
	e.dropLocked(c, "closed by the server")
	e.mu.Unlock()
	c.close()
}

func (e *Emulator) dropLocked(c *conn, why string) {
	if d := c.device; d != nil && d.conn == c {
		d.conn = nil
		e.referee.connected(-1)
		e.note(Event{Kind: KindLogout, Number: d.account.number, Device: d.pn.String(), Login: c.login, Detail: why})
	}
	c.replaced = true
}

// fail refuses a login: <failure>, then the end.
func (e *Emulator) fail(c *conn, code int, more attrs) {
	c.put(with(node{Tag: "failure", Attrs: attrs{"reason": strconv.Itoa(code), "location": "emu"}}, more), soon())
	c.finish()
}

// streamError ends a stream, not before due, with an error that the client is to read first.
func streamError(c *conn, due time.Time, code string, content ...node) {
	n := node{Tag: "stream:error", Attrs: attrs{}}
	if code != "" {
		n.Attrs["code"] = code
	}
	if len(content) > 0 {
		n.Content = content
	}
	c.put(n, due)
	c.finish()
}

// streamEnd ends a stream without an error, as a server that goes does.
func streamEnd(c *conn) {
	c.put(node{Tag: "xmlstreamend"}, soon())
	c.finish()
}

// isClosed tells the ordinary end of a socket from an error worth telling.
func isClosed(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return true
	}
	return websocket.CloseStatus(err) != -1 || isNetClosed(err)
}

func isNetClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
