package router

import (
	"bytes"

	"github.com/valyala/fasthttp"

	"session-manager/router/api"
)

// called serves callers' requests: it takes what people and programs write for what they mean, and
// refuses what comes from where it must not.
func (r *Router) called(keyless bool, next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		head := ctx.IsHead()
		tidy(ctx)
		if r.admit(ctx, keyless) && single(ctx) {
			next(ctx)
		}
		r.permit(ctx)
		ctx.Response.SkipBody = head
	}
}

// tidy makes a HEAD a GET, whose answer goes without its body, and drops a slash at the end of a path.
func tidy(ctx *fasthttp.RequestCtx) {
	if ctx.IsHead() {
		ctx.Request.Header.SetMethod(fasthttp.MethodGet)
	}
	if path := ctx.Path(); len(path) > 1 && path[len(path)-1] == '/' {
		ctx.URI().SetPathBytes(bytes.TrimRight(path, "/"))
		if len(ctx.Path()) == 0 {
			ctx.URI().SetPath("/")
		}
	}
}

// onlyOnce are headers that decide what is done, and of which there can be one.
var onlyOnce = []struct{ name, code, message string }{
	{headerCliente, "INVALID_HEADER", "X-Cliente-Id debe ser un número positivo"},
	{headerKey, "INVALID_REQUEST", "Idempotency-Key has two different values"},
	{headerAPIKey, "INVALID_REQUEST", "X-API-Key has two different values"},
	{fasthttp.HeaderAuthorization, "INVALID_REQUEST", "Authorization has two different values"},
}

// single makes one of a header that comes several times with one value. Where the values differ it
// returns false, and has answered 400.
func single(ctx *fasthttp.RequestCtx) bool {
	for _, h := range onlyOnce {
		values := ctx.Request.Header.PeekAll(h.name)
		if len(values) < 2 {
			continue
		}
		for _, v := range values[1:] {
			if !bytes.Equal(v, values[0]) {
				api.Refuse(ctx, fasthttp.StatusBadRequest, h.code, h.message)
				return false
			}
		}
		one := bytes.Clone(values[0])
		ctx.Request.Header.Del(h.name)
		ctx.Request.Header.SetBytesV(h.name, one)
	}
	return true
}
