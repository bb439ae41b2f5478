package router

import (
	"errors"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"session-manager/router/api"
)

// Hindrance is an error of Local.Session that waiting for an owner does not cure: nothing was carried out,
// and the caller is told at once.
type Hindrance struct {
	Code       string // for programs
	Message    string // for people: what to do
	RetryAfter time.Duration
}

func (h *Hindrance) Error() string { return h.Message }

// hindered answers where err is a Hindrance. lost: an attempt before may have been carried out.
func (r *Router) hindered(ctx *fasthttp.RequestCtx, lost bool, err error) bool {
	var h *Hindrance
	if !errors.As(err, &h) {
		return false
	}
	if lost {
		r.giveUp(ctx, lost, h.Message)
		return true
	}
	ctx.Response.ResetBody()
	api.Refuse(ctx, fasthttp.StatusServiceUnavailable, h.Code, h.Message)
	if seconds := int(h.RetryAfter / time.Second); seconds > api.RetryAfter {
		ctx.Response.Header.Set("Retry-After", strconv.Itoa(seconds))
	}
	return true
}
