package router

import (
	"bytes"
	"net/netip"

	"github.com/valyala/fasthttp"

	"session-manager/node/ownership"
	"session-manager/router/api"
	"session-manager/router/keys"
)

const headerAPIKey = "X-API-Key"

// caller is what a caller may do: what its key grants, or everything.
type caller struct{ grant *keys.Grant }

func (c caller) allows(id ownership.Cliente) bool { return c.grant == nil || c.grant.Allows(id) }
func (c caller) operates() bool                   { return c.grant == nil || c.grant.All }

// authenticate finds out who calls. Where it returns false it has answered 401.
func (r *Router) authenticate(ctx *fasthttp.RequestCtx) (caller, bool) {
	if r.cfg.Keys == nil || r.trusted(ctx) {
		return caller{}, true
	}
	key := ctx.Request.Header.Peek(headerAPIKey)
	if len(key) == 0 {
		key, _ = bytes.CutPrefix(ctx.Request.Header.Peek(fasthttp.HeaderAuthorization), []byte("Bearer "))
	}
	if grant := r.cfg.Keys.Check(key); len(key) > 0 && grant != nil {
		return caller{grant}, true
	}
	ctx.Response.Header.Set(fasthttp.HeaderWWWAuthenticate, "Bearer")
	api.Refuse(ctx, fasthttp.StatusUnauthorized, "UNAUTHORIZED", "A valid API key is required")
	return caller{}, false
}

// trusted callers need no key: those on a loopback listener, and those from trusted networks.
func (r *Router) trusted(ctx *fasthttp.RequestCtx) bool {
	if ctx.LocalIP().IsLoopback() {
		return true
	}
	remote, ok := netip.AddrFromSlice(ctx.RemoteIP())
	if !ok {
		return false
	}
	for _, p := range r.cfg.Trusted {
		if p.Contains(remote.Unmap()) {
			return true
		}
	}
	return false
}
