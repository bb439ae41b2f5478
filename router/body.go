package router

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/valyala/fasthttp"

	"session-manager/router/api"
	"session-manager/router/peer"
)

// bodies bound what the bodies of all requests take that are being read or served. A caller's
// word for the length of a body costs nothing: its space grows with what has come.
type bodies struct {
	left atomic.Int64 // bytes
	free sync.Pool    // of *payload
}

// payload is a request's body, as far as it has been read.
type payload struct {
	bytes []byte
	taken int64 // of the bound
	of    *bodies
}

const (
	// freeBody is what any body may take without counting, so that texts still pass where large
	// bodies have used up the bound.
	freeBody = 4 << 10
	// promptBody is what the server reads of a body before its handler is asked: as little as it can.
	promptBody = 1
	// chunked is fasthttp's length of a body that comes in chunks.
	chunked = -1
)

var (
	errBodiesFull = errors.New("too many bytes of bodies")
	errCutOff     = errors.New("body cut off")
)

func newBodies(bound int64) *bodies {
	b := &bodies{}
	b.left.Store(bound)
	b.free.New = func() any { return &payload{of: b} }
	return b
}

// grow makes room for more, at most twice of what there is.
func (b *payload) grow(most int) error {
	size := max(min(2*cap(b.bytes), most), freeBody)
	if more := int64(size) - freeBody - b.taken; more > 0 {
		if b.of.left.Add(-more) < 0 {
			b.of.left.Add(more)
			return errBodiesFull
		}
		b.taken += more
	}
	if size > cap(b.bytes) {
		b.bytes = append(make([]byte, 0, size), b.bytes...)
	}
	return nil
}

// release is called when nobody needs the bytes any more.
func (b *payload) release() {
	if b == noBody {
		return
	}
	b.of.left.Add(b.taken)
	b.bytes, b.taken = b.bytes[:0], 0
	if cap(b.bytes) > freeBody {
		b.bytes = nil
	}
	b.of.free.Put(b)
}

// read reads a body of the length; -1: until it ends. It takes no more than limit.
func (b *payload) read(from io.Reader, length, limit int) error {
	if length > limit {
		return fasthttp.ErrBodyTooLarge
	}
	for length < 0 || len(b.bytes) < length {
		if len(b.bytes) == cap(b.bytes) {
			if len(b.bytes) > limit {
				return fasthttp.ErrBodyTooLarge
			}
			most := length
			if length < 0 {
				most = limit + 1 // one more shows that it is too large
			}
			if err := b.grow(most); err != nil {
				return err
			}
		}
		n, err := from.Read(b.bytes[len(b.bytes):cap(b.bytes)])
		b.bytes = b.bytes[:len(b.bytes)+n]
		switch {
		case err == io.EOF && (length < 0 || len(b.bytes) == length):
			length = len(b.bytes)
		case err == io.EOF:
			return errCutOff
		case err != nil:
			return err
		}
	}
	if len(b.bytes) > limit {
		return fasthttp.ErrBodyTooLarge
	}
	return nil
}

// bodyOf is the body of a request of that route; those that need none leave it unread, and fasthttp
// drops it. nil: the request is answered.
func (r *Router) bodyOf(ctx *fasthttp.RequestCtx, route api.Route) *payload {
	if route == api.Send {
		return r.readBody(ctx)
	}
	if ctx.Request.IsBodyStream() {
		ctx.Request.ResetBody()
	}
	return noBody
}

// noBody takes no space. It is nobody's, and everybody's.
var noBody = new(payload)

// readBody reads the request's body, which is PostBody's from then on, until release. Where it
// returns nil it has answered the request.
func (r *Router) readBody(ctx *fasthttp.RequestCtx) *payload {
	if encoding := ctx.Request.Header.ContentEncoding(); len(encoding) > 0 && !strings.EqualFold(string(encoding), "identity") {
		api.Refuse(ctx, fasthttp.StatusUnsupportedMediaType, "ENCODING_UNSUPPORTED", "Content-Encoding is not supported: send the body as it is")
		return nil
	}
	b := r.bodies.free.Get().(*payload)
	from := ctx.RequestBodyStream()
	if from == nil {
		return b
	}
	length := ctx.Request.Header.ContentLength()
	var err error
	if length >= 0 {
		err = b.read(from, length, r.cfg.Limits.Body)
	} else {
		err = r.readChunks(ctx, b, from)
	}
	if err != nil {
		b.release()
		r.refuseUnread(ctx, err)
		return nil
	}
	ctx.Request.SetBodyRaw(bytes.TrimPrefix(b.bytes, api.ByteOrderMark))
	return b
}

// readChunks reads a body that comes in chunks. What comes after them are no headers: the head
// stays as it was when the caller's key was looked at.
func (r *Router) readChunks(ctx *fasthttp.RequestCtx, b *payload, from io.Reader) error {
	var head fasthttp.RequestHeader
	ctx.Request.Header.CopyTo(&head)
	err := b.read(from, chunked, r.cfg.Limits.Body)
	head.CopyTo(&ctx.Request.Header)
	if err != nil && strings.Contains(err.Error(), "forbidden trailer") {
		return nil // the body has come as a whole; fasthttp closes the connection
	}
	return err
}

// refuseUnread answers a request that did not come as a whole.
func (r *Router) refuseUnread(ctx *fasthttp.RequestCtx, err error) {
	var small *fasthttp.ErrSmallBuffer
	var network net.Error
	status, code, message := fasthttp.StatusBadRequest, "BAD_REQUEST", "Malformed HTTP request"
	switch {
	case errors.As(err, &small):
		status, code, message = fasthttp.StatusRequestHeaderFieldsTooLarge, "HEADER_TOO_LARGE", "Request header too large"
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		status, code, message = fasthttp.StatusRequestEntityTooLarge, "BODY_TOO_LARGE", "Request body too large"
	case errors.Is(err, errBodiesFull):
		status, code, message = fasthttp.StatusServiceUnavailable, "SERVER_BUSY", "Too many large requests at once - retry"
	case errors.As(err, &network) && network.Timeout(), errors.Is(err, fasthttp.ErrTimeout):
		status, code, message = fasthttp.StatusRequestTimeout, "REQUEST_TIMEOUT", "Request did not arrive in time"
	}
	api.Refuse(ctx, status, code, message)
}

// linger makes the connection, where it is closed, wait for what the caller still sends: an answer to
// half a request would be lost otherwise.
func linger(c net.Conn) {
	switch c := c.(type) {
	case *unhurried:
		linger(c.Conn)
	case *socket:
		linger(c.Conn)
	case *peer.Met:
		linger(c.Conn)
	case *encrypted:
		linger(c.NetConn())
	case interface{ Linger() }:
		c.Linger()
	}
}
