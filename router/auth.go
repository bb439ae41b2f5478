package router

import (
	"bytes"

	"github.com/valyala/fasthttp"

	"session-manager/node/ownership"
	"session-manager/router/api"
	"session-manager/router/keys"
)

const headerAPIKey = "X-API-Key"

// trusted marks requests that came by the trusted port, whose callers need no key.
//
// Nothing else makes a caller trusted: not the address that it comes from, since behind a load
// balancer or a proxy on this machine all the world comes from one; not X-Forwarded-For and its
// like, which anybody can write. Who reaches the trusted port is decided by where it listens.
var trusted = trustedKey{}

type trustedKey struct{}

// caller is what a caller may do: what its key grants, or everything.
type caller struct{ grant *keys.Grant }

func (c caller) allows(id ownership.Cliente) bool { return c.grant == nil || c.grant.Allows(id) }

// name is that of the caller's key; "": none is needed.
func (c caller) name() string {
	if c.grant == nil {
		return ""
	}
	return c.grant.Name
}

func (c caller) operates() bool { return c.grant == nil || c.grant.Operator }

// authenticate finds out who calls. Where it returns false it has answered 401.
func (r *Router) authenticate(ctx *fasthttp.RequestCtx) (caller, bool) {
	if r.cfg.Keys == nil || ctx.UserValue(trusted) != nil {
		return caller{}, true
	}
	key := ctx.Request.Header.Peek(headerAPIKey)
	if len(key) == 0 {
		key, _ = bytes.CutPrefix(ctx.Request.Header.Peek(fasthttp.HeaderAuthorization), []byte("Bearer "))
	}
	if grant := r.cfg.Keys.Check(key); len(key) > 0 && grant != nil {
		return caller{grant}, true
	}
	why := "its key is not known"
	if len(key) == 0 {
		why = "it has no key"
	}
	r.audit.refused(ctx, caller{}, why)
	ctx.Response.Header.Set(fasthttp.HeaderWWWAuthenticate, "Bearer")
	api.Refuse(ctx, fasthttp.StatusUnauthorized, "UNAUTHORIZED", "A valid API key is required")
	return caller{}, false
}

// forbid refuses what a caller's key does not allow.
func (r *Router) forbid(ctx *fasthttp.RequestCtx, who caller, message string, args ...any) {
	r.audit.refused(ctx, who, "its key does not allow that", args...)
	api.Refuse(ctx, fasthttp.StatusForbidden, "FORBIDDEN", message)
}

// serveTrusted serves a caller who has come by the trusted port.
func (r *Router) serveTrusted(ctx *fasthttp.RequestCtx) {
	ctx.SetUserValue(trusted, true)
	r.servePublic(ctx)
}
