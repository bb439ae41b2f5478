package router

import (
	"bytes"
	"strings"

	"github.com/valyala/fasthttp"

	"session-manager/node/ownership"
	"session-manager/router/api"
)

// target is what a request of a cliente asks for.
type target struct {
	route   api.Route
	cliente ownership.Cliente
}

// headerRoutes are the routes whose cliente is in X-Cliente-Id.
func headerRoute(method, path []byte) (api.Route, bool) {
	switch string(path) {
	case "/status":
		return api.Status, string(method) == fasthttp.MethodGet
	case "/qr-code":
		return api.QRCode, string(method) == fasthttp.MethodGet
	case "/qr":
		return api.QR, string(method) == fasthttp.MethodGet
	case "/connect":
		return api.Connect, string(method) == fasthttp.MethodPost
	case "/session/restart":
		return api.Restart, string(method) == fasthttp.MethodPost
	case "/send":
		return api.Send, string(method) == fasthttp.MethodPost
	}
	return 0, false
}

const (
	hubPrefix   = "/api/session-manager/sessions/"
	frontPrefix = "/api/whatsapp/"
)

// parseTarget reads route and cliente. Where it returns false it has answered the request.
func parseTarget(ctx *fasthttp.RequestCtx) (target, bool) {
	method, path := ctx.Method(), ctx.Path()
	if route, ok := headerRoute(method, path); ok {
		return headerTarget(ctx, route)
	}
	if rest, ok := bytes.CutPrefix(path, []byte(hubPrefix)); ok {
		return hubTarget(ctx, string(method), string(rest))
	}
	if rest, ok := bytes.CutPrefix(path, []byte(frontPrefix)); ok {
		number, ok := strings.CutSuffix(string(rest), "/status")
		if ok && string(method) == fasthttp.MethodGet && !strings.Contains(number, "/") {
			return frontTarget(ctx, number)
		}
	}
	notFound(ctx)
	return target{}, false
}

func headerTarget(ctx *fasthttp.RequestCtx, route api.Route) (target, bool) {
	values := ctx.Request.Header.PeekAll(headerCliente)
	if len(values) == 0 {
		api.Refuse(ctx, fasthttp.StatusBadRequest, "MISSING_HEADER", "Header X-Cliente-Id es requerido")
		return target{}, false
	}
	c, err := ownership.ParseCliente(string(values[0]))
	if err != nil || len(values) > 1 {
		api.Refuse(ctx, fasthttp.StatusBadRequest, "INVALID_HEADER", "X-Cliente-Id debe ser un número positivo")
		return target{}, false
	}
	return target{route, c}, true
}

func hubTarget(ctx *fasthttp.RequestCtx, method, rest string) (target, bool) {
	instance, isQR := strings.CutSuffix(rest, "/qr")
	if method != map[bool]string{false: fasthttp.MethodGet, true: fasthttp.MethodPost}[isQR] || strings.Contains(instance, "/") {
		notFound(ctx)
		return target{}, false
	}
	number, ok := strings.CutPrefix(instance, "sender_")
	c, err := ownership.ParseCliente(number)
	if !ok || err != nil {
		sessionNotFound(ctx)
		return target{}, false
	}
	if isQR {
		return target{api.HubQR, c}, true
	}
	return target{api.HubSession, c}, true
}

func frontTarget(ctx *fasthttp.RequestCtx, number string) (target, bool) {
	c, err := ownership.ParseCliente(number)
	if err != nil {
		api.JSON(ctx, fasthttp.StatusBadRequest, struct {
			OK      bool   `json:"ok"`
			Error   string `json:"error"`
			Message string `json:"message"`
		}{false, "INVALID_CLIENT_ID", "clienteId debe ser un número positivo"})
		return target{}, false
	}
	return target{api.FrontStatus, c}, true
}

func notFound(ctx *fasthttp.RequestCtx) {
	api.Refuse(ctx, fasthttp.StatusNotFound, "NOT_FOUND", "Endpoint not found")
}

func sessionNotFound(ctx *fasthttp.RequestCtx) {
	api.Refuse(ctx, fasthttp.StatusNotFound, "SESSION_NOT_FOUND", "Session not found")
}

// maxKey is the longest Idempotency-Key.
const maxKey = 255

// validKey says whether an Idempotency-Key can be one: 1 to 255 visible ASCII characters.
func validKey(key []byte) bool {
	return len(key) <= maxKey && visible(key)
}
