package router

import (
	"bytes"

	"github.com/valyala/fasthttp"

	"session-manager/node/ownership"
	"session-manager/router/api"
)

// serveOpen serves what needs no key: the probes of load balancers.
func (r *Router) serveOpen(ctx *fasthttp.RequestCtx) bool {
	if !ctx.IsGet() {
		return false
	}
	switch string(ctx.Path()) {
	case "/health":
		whatsapp := "reachable"
		if err := r.cfg.Operator.Reachable(); err != nil {
			whatsapp = api.Discreet(err.Error())
		}
		api.JSON(ctx, fasthttp.StatusOK, struct {
			Status   string `json:"status"`
			Service  string `json:"service"`
			Node     string `json:"node"`
			Version  string `json:"version"`
			WhatsApp string `json:"whatsapp"` // "reachable", or why not
		}{"ok", "session-manager", r.cfg.Node, r.cfg.Version, whatsapp})
	case "/livez":
		api.JSON(ctx, fasthttp.StatusOK, struct {
			Status string `json:"status"`
		}{"ok"})
	case "/readyz":
		r.readyz(ctx)
	default:
		return false
	}
	ctx.SetUserValue(kindKey, probe)
	return true
}

func (r *Router) readyz(ctx *fasthttp.RequestCtx) {
	if err := r.cfg.Operator.Ready(); err != nil {
		api.Refuse(ctx, fasthttp.StatusServiceUnavailable, "NOT_READY", err.Error())
		return
	}
	api.JSON(ctx, fasthttp.StatusOK, struct {
		Status  string `json:"status"`
		Node    string `json:"node"`
		Message string `json:"message,omitempty"` // what it cannot do for now
	}{"ready", r.cfg.Node, api.Discreet(r.cfg.Operator.Note())})
}

// serveOperator serves the operator's routes, to those who may see all clientes.
func (r *Router) serveOperator(ctx *fasthttp.RequestCtx, who caller) bool {
	if !ctx.IsGet() {
		return false
	}
	path := ctx.Path()
	number, owners := bytes.CutPrefix(path, []byte("/owners/"))
	switch string(path) {
	case "/metrics", "/cluster", "/openapi.yaml", "/":
	default:
		if !owners {
			return false
		}
	}
	ctx.SetUserValue(kindKey, operator)
	if !who.operates() {
		r.forbid(ctx, who, "API key is not valid for the operator's routes")
		return true
	}
	if !r.enter(ctx) {
		return true
	}
	defer r.operates.Add(-1)
	if owners {
		c, err := ownership.ParseCliente(string(number))
		if err != nil {
			api.Refuse(ctx, fasthttp.StatusBadRequest, "INVALID_CLIENT_ID", "clienteId debe ser un número positivo")
			return true
		}
		api.JSON(ctx, fasthttp.StatusOK, r.cfg.Operator.Owner(c))
		return true
	}
	switch string(path) {
	case "/metrics":
		r.scrape(ctx)
	case "/cluster":
		api.JSON(ctx, fasthttp.StatusOK, r.cfg.Operator.Cluster())
	case "/openapi.yaml":
		ctx.SetContentType("application/yaml")
		ctx.SetBody(openAPI)
	default:
		ctx.SetContentType("text/html; charset=utf-8")
		ctx.SetBody(console)
	}
	return true
}

// enter bounds the operator's requests in flight. Where it returns false it has answered 503.
func (r *Router) enter(ctx *fasthttp.RequestCtx) bool {
	if r.operates.Add(1) <= r.cfg.Limits.Operator {
		return true
	}
	r.operates.Add(-1)
	api.Refuse(ctx, fasthttp.StatusServiceUnavailable, "SERVER_BUSY", "Too many requests of the operator's routes at once - retry")
	return false
}
