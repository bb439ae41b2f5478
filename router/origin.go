package router

import (
	"bytes"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"

	"session-manager/router/api"
)

// Origins say from where pages in browsers may call. A page of anywhere can make its own name that of
// this machine (DNS rebinding), and then calls as if it were ours. Where callers need no key, the name that
// they call by must be one that cannot be rebound: an address, a name without a dot, or one of Hosts.
type Origins struct {
	Hosts []string // names by which ports without keys may be called, beside those
	Pages []string // origins whose pages may call, as browsers write them: https://hub.example
}

// Refuses says why a request to a port without keys is refused, "" where it is not. Host and origin
// are as in its head.
func (o Origins) Refuses(host, origin string) (code, message string) {
	if host != "" && !o.allowsHost(host) { // a browser always says one
		return "HOST_NOT_ALLOWED", "This port takes no requests for the name in Host: call it by its address, or give --allowed-host"
	}
	if origin != "" && !sameOrigin(origin, host) && !slices.Contains(o.Pages, origin) {
		return "ORIGIN_NOT_ALLOWED", "This port takes no requests from pages of that origin: give --cors-origin"
	}
	return "", ""
}

func (o Origins) allowsHost(host string) bool {
	name := hostName(host)
	if _, err := netip.ParseAddr(name); err == nil || strings.IndexFunc(name, notOfALabel) < 0 {
		return true
	}
	return slices.ContainsFunc(o.Hosts, func(allowed string) bool { return strings.EqualFold(allowed, name) })
}

// notOfALabel says whether a name has more than one label with this in it, or is none.
func notOfALabel(c rune) bool {
	return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_')
}

// hostName is a Host without its port, and without brackets.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}

// sameOrigin says whether a page of the origin came from the host that it calls. A port that is the
// scheme's own is not written.
func sameOrigin(origin, host string) bool {
	scheme, own, ok := strings.Cut(origin, "://")
	if !ok {
		return false
	}
	if port := map[string]string{"http": ":80", "https": ":443"}[scheme]; port != "" {
		own, host = strings.TrimSuffix(own, port), strings.TrimSuffix(host, port)
	}
	return strings.EqualFold(own, host)
}

const (
	corsMethods = "GET, HEAD, POST, PUT, PATCH, DELETE"
	corsHeaders = "Authorization, Content-Type, Idempotency-Key, X-API-Key, X-Cliente-Id, X-Request-Id, Last-Event-ID"
	corsExposed = "Retry-After, X-Request-Id, X-Session-Owner, X-Session-Epoch, X-Session-Error"
	corsSeconds = "600" // that a browser may remember the answer to a preflight
)

// admit judges a request by where it comes from, before anything else is done for it. Where it returns
// false it has answered. keyless: no key is asked for.
func (r *Router) admit(ctx *fasthttp.RequestCtx, keyless bool) bool {
	head := &ctx.Request.Header
	origin := head.Peek(fasthttp.HeaderOrigin)
	if keyless && !r.nameIsFine(head.Host(), ctx.URI().Host(), origin) {
		code, message := r.cfg.Origins.Refuses(string(head.Host()), string(origin))
		if code == "" && !bytes.Equal(ctx.URI().Host(), head.Host()) { // the URI names one too
			code, message = r.cfg.Origins.Refuses(string(ctx.URI().Host()), "")
		}
		if code != "" {
			api.Refuse(ctx, fasthttp.StatusForbidden, code, message)
			return false
		}
		if len(origin) == 0 {
			r.lastHost.Store(new(string(head.Host())))
		}
	}
	return len(origin) == 0 || !r.preflight(ctx, string(origin))
}

// nameIsFine says whether the last request that was admitted was called by the same name: nearly all are.
func (r *Router) nameIsFine(host, inURI, origin []byte) bool {
	last := r.lastHost.Load()
	return len(origin) == 0 && last != nil && string(host) == *last && bytes.Equal(host, inURI)
}

// preflight answers a browser that asks whether a page may call.
func (r *Router) preflight(ctx *fasthttp.RequestCtx, origin string) (answered bool) {
	if !slices.Contains(r.cfg.Origins.Pages, origin) {
		return false
	}
	if !ctx.IsOptions() || len(ctx.Request.Header.Peek(fasthttp.HeaderAccessControlRequestMethod)) == 0 {
		return false
	}
	ctx.SetStatusCode(fasthttp.StatusNoContent)
	ctx.Response.Header.Set(fasthttp.HeaderAccessControlAllowMethods, corsMethods)
	ctx.Response.Header.Set(fasthttp.HeaderAccessControlAllowHeaders, corsHeaders)
	ctx.Response.Header.Set(fasthttp.HeaderAccessControlMaxAge, corsSeconds)
	return true
}

// permit tells a browser that the page may read the answer.
func (r *Router) permit(ctx *fasthttp.RequestCtx) {
	if len(r.cfg.Origins.Pages) == 0 {
		return
	}
	ctx.Response.Header.Add(fasthttp.HeaderVary, fasthttp.HeaderOrigin)
	if origin := ctx.Request.Header.Peek(fasthttp.HeaderOrigin); slices.Contains(r.cfg.Origins.Pages, string(origin)) {
		ctx.Response.Header.SetBytesV(fasthttp.HeaderAccessControlAllowOrigin, origin)
		ctx.Response.Header.Set(fasthttp.HeaderAccessControlExposeHeaders, corsExposed)
	}
}
