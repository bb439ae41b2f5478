package api

import (
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
)

// refusalBody is the answer where WhatsApp refused a message. A permanent refusal is never a 5xx, which
// queues repeat.
type refusalBody struct {
	Failure
	Retryable    bool    `json:"retryable"`
	WhatsAppCode int     `json:"whatsapp_code"`
	Until        *string `json:"until,omitempty"`
}

// Codes of WhatsApp's server in answer to a message, as clients have met them; all others are
// SEND_REFUSED, with the code.
const (
	codeReachout    = 463 // the account may not begin a chat with the recipient, or none at all for now
	codeRateLimited = 429
	codeCalmDown    = 420
)

// rateLimitPause is for how long callers are told to wait where WhatsApp limits the rate, in seconds.
// WhatsApp itself names no time.
const rateLimitPause = 60

func refuseByWhatsApp(ctx *fasthttp.RequestCtx, r *Refusal) {
	body := refusalBody{Failure: Failure{Error: true, Message: r.Message}, WhatsAppCode: r.Code}
	status := fasthttp.StatusUnprocessableEntity
	wait := 0
	switch {
	case r.Code == codeReachout && !r.Until.IsZero():
		status, body.Code, body.Until = fasthttp.StatusTooManyRequests, "REACHOUT_LOCKED", milliseconds(r.Until)
		wait = max(1, int(time.Until(r.Until).Seconds()))
		body.Message = "WhatsApp lets this account begin no new chats for now - wait until the time given"
	case r.Code == codeReachout:
		status, body.Code = fasthttp.StatusForbidden, "RECIPIENT_REFUSED"
		body.Message = "WhatsApp does not let this account write to this recipient (463) - the recipient has to write first"
	case r.Code == codeRateLimited, r.Code == codeCalmDown:
		status, body.Code, wait = fasthttp.StatusTooManyRequests, "WHATSAPP_RATE_LIMITED", rateLimitPause
		body.Message = "WhatsApp limits the rate of this account (" + strconv.Itoa(r.Code) + ") - send more slowly"
	default:
		body.Code = "SEND_REFUSED"
	}
	if wait > 0 {
		body.Retryable = true
		ctx.Response.Header.Set("Retry-After", strconv.Itoa(wait))
	}
	JSON(ctx, status, body)
}
