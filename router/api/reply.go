package api

import (
	"encoding/json"
	"errors"
	"strconv"

	"github.com/valyala/fasthttp"
)

// Failure is the shape of most refusals.
type Failure struct {
	Error   bool   `json:"error"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// RetryAfter is what 503 answers tell callers to wait, in seconds.
const RetryAfter = 1

// JSON answers with a body.
func JSON(ctx *fasthttp.RequestCtx, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // the bodies are ours; none fails to marshal
	}
	answer(ctx, status, text)
}

// answer answers with JSON that is written already.
func answer(ctx *fasthttp.RequestCtx, status int, text []byte) {
	ctx.Response.Header.SetContentType("application/json; charset=utf-8")
	ctx.SetStatusCode(status)
	ctx.SetBody(text)
}

// Refuse answers with a Failure. What went wrong here is told discreetly.
func Refuse(ctx *fasthttp.RequestCtx, status int, code, message string) {
	if status == fasthttp.StatusServiceUnavailable {
		ctx.Response.Header.Set("Retry-After", strconv.Itoa(RetryAfter))
	}
	if status >= fasthttp.StatusInternalServerError {
		message = Discreet(message)
	}
	JSON(ctx, status, Failure{Error: true, Code: code, Message: message})
}

// errorTable maps what a send returns to HTTP. 503 means not carried out and safe to repeat,
// 504 that the outcome is unknown.
var errorTable = []struct {
	err     error
	status  int
	code    string
	message string // "": the error's own text
}{
	{ErrInvalidRecipient, fasthttp.StatusBadRequest, "INVALID_RECIPIENT", ""},
	{ErrNotOnWhatsApp, fasthttp.StatusNotFound, "NOT_ON_WHATSAPP", "This number is not on WhatsApp - check its country and area code"},
	{ErrGroupUnknown, fasthttp.StatusNotFound, "GROUP_UNKNOWN", "WhatsApp knows no such group"},
	{ErrNotInGroup, fasthttp.StatusForbidden, "RECIPIENT_REFUSED", "This account is not in the group"},
	{ErrNoAnswer, fasthttp.StatusServiceUnavailable, "WHATSAPP_UNAVAILABLE", "WhatsApp did not answer, message not sent - retry"},
	{ErrKeyReused, fasthttp.StatusUnprocessableEntity, "IDEMPOTENCY_KEY_REUSED", "Idempotency-Key was already used with a different body"},
	{ErrStoreFailed, fasthttp.StatusServiceUnavailable, "STORE_FAILED", "Credential store failed a statement, message not sent - see the node's log, then retry"},
	{ErrStoreUnavailable, fasthttp.StatusServiceUnavailable, "STORE_UNAVAILABLE", "Credential store unavailable, message not sent - retry"},
	{ErrBusy, fasthttp.StatusServiceUnavailable, "SESSION_BUSY", "Too many messages are waiting for this session - retry"},
	{ErrUnknownOutcome, fasthttp.StatusGatewayTimeout, "OUTCOME_UNKNOWN", "WhatsApp did not acknowledge in time - outcome unknown, repeat with the same Idempotency-Key"},
	{ErrReachedNobody, fasthttp.StatusInternalServerError, "SEND_FAILED", "Message reached no device of the recipient"},
	{nil, fasthttp.StatusInternalServerError, "SEND_FAILED", ""},
}

func refuseError(ctx *fasthttp.RequestCtx, err error) {
	var refusal *Refusal
	if errors.As(err, &refusal) {
		refuseByWhatsApp(ctx, refusal)
		return
	}
	for _, row := range errorTable {
		if row.err == nil || errors.Is(err, row.err) {
			message := row.message
			if message == "" {
				message = err.Error()
			}
			Refuse(ctx, row.status, row.code, message)
			return
		}
	}
}
