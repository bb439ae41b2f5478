package api

import (
	"context"
	"errors"
	"time"

	"github.com/valyala/fasthttp"

	"session-manager/node/ownership"
)

// accountBody is an account as the routes of /session show it.
type accountBody struct {
	Cliente     ownership.Cliente `json:"cliente_id"`
	State       State             `json:"state"`
	Phone       *string           `json:"phone"` // digits
	LID         *string           `json:"lid"`
	Name        *string           `json:"name"`
	Owner       string            `json:"owner"`
	Epoch       string            `json:"epoch"`
	ConnectedAt *string           `json:"connected_at"`
	LastError   *errorBody        `json:"last_error"`
	Restriction *restrictionBody  `json:"restriction"`
	Desired     string            `json:"desired"`
}

type errorBody struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// restrictionBody is what WhatsApp has put on the account for good; POST /session/restart lifts it here.
type restrictionBody struct {
	Code   int     `json:"code"` // of WhatsApp's refusal
	Reason string  `json:"reason"`
	Since  *string `json:"since"`
}

// accountOf is the account that a snapshot at a node shows.
func accountOf(c ownership.Cliente, now Snapshot, owner string, epoch ownership.Token) accountBody {
	b := accountBody{
		Cliente: c, State: now.State, Name: text(now.Name), Owner: owner, Epoch: epoch.String(),
		ConnectedAt: milliseconds(now.ConnectedAt), Desired: "running",
	}
	if len(now.Phone) > 1 {
		digits := now.Phone[1:]
		b.Phone = &digits
	}
	if now.LID != "" {
		lid := now.LID + "@lid"
		b.LID = &lid
	}
	if now.LastError.Code != "" {
		b.LastError = &errorBody{now.LastError.Code, Discreet(now.LastError.Message)}
	}
	if now.Restriction.Code != 0 {
		b.Restriction = &restrictionBody{now.Restriction.Code, now.Restriction.Reason, milliseconds(now.Restriction.Since)}
	}
	return b
}

// milliseconds is RFC 3339 in UTC with milliseconds, null where there is none.
func milliseconds(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := t.UTC().Format("2006-01-02T15:04:05.000Z")
	return &s
}

// Restart answers POST /session/restart: the session begins anew, at once, and what became of that within a
// moment is told. ErrMoved, ErrPending: nothing was answered, and it may be asked for again.
func (h *Handler) Restart(ctx *fasthttp.RequestCtx, life context.Context, c ownership.Cliente, s Session, owner string, epoch ownership.Token) error {
	if err := known(life, s); err != nil { // a session that this very request has started may turn out to rest
		return err
	}
	switch err := s.Restart(life); {
	case err == nil:
	case errors.Is(err, ErrMoved):
		return err
	case errors.Is(err, ErrStoreUnavailable):
		Refuse(ctx, fasthttp.StatusServiceUnavailable, "STORE_UNAVAILABLE", "Credential store unavailable, session not restarted - retry")
		return nil
	default:
		Refuse(ctx, fasthttp.StatusInternalServerError, "RESTART_FAILED", err.Error())
		return nil
	}
	now, err := settled(life, s)
	if errors.Is(err, ErrMoved) {
		return err
	}
	JSON(ctx, fasthttp.StatusOK, accountOf(c, now, owner, epoch))
	return nil
}
