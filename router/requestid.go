package router

import (
	"bytes"
	"strconv"
	"sync/atomic"

	"github.com/valyala/fasthttp"
)

// headerRequestID names a request in answers and logs, at each node that it passes.
const headerRequestID = "X-Request-Id"

// maxRequestID is the longest X-Request-Id that is taken from a caller.
const maxRequestID = 128

// requestIDs makes names for requests that have none: this process's own prefix, and a count. They cost
// no allocation, as each request has one.
type requestIDs struct {
	prefix string
	last   atomic.Uint64
}

// identified gives each caller's request its name, and each answer.
func (r *Router) identified(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		r.name(ctx)
		defer func() {
			ctx.Response.Header.SetBytesV(headerRequestID, ctx.Request.Header.Peek(headerRequestID))
		}()
		next(ctx)
	}
}

// name makes sure that the request has a name.
func (r *Router) name(ctx *fasthttp.RequestCtx) {
	if id := ctx.Request.Header.Peek(headerRequestID); len(id) == 0 || len(id) > maxRequestID || !visible(id) {
		var space [64]byte
		made := strconv.AppendUint(append(space[:0], r.ids.prefix...), r.ids.last.Add(1), 36)
		ctx.Request.Header.SetBytesV(headerRequestID, made)
	}
}

// identify names a request and its answer where no handler will.
func (r *Router) identify(ctx *fasthttp.RequestCtx) {
	r.name(ctx)
	ctx.Response.Header.SetBytesV(headerRequestID, ctx.Request.Header.Peek(headerRequestID))
}

// requestID is the name of a request; "" at a node of another release's.
func requestID(ctx *fasthttp.RequestCtx) string {
	return string(ctx.Request.Header.Peek(headerRequestID))
}

// visible says whether all of a text is visible ASCII.
func visible(text []byte) bool {
	return bytes.IndexFunc(text, func(r rune) bool { return r < '!' || r > '~' }) < 0
}
