package ownership

import (
	"context"
	"sync/atomic"
	"time"
)

// Hold is the running ownership of one cliente by this process: what every outward act and
// every stored write of its session checks. There is one Hold per acquisition; once ended it
// never becomes valid again.
//
// Its Context is the one that whatsmeow gets, so that ending the Hold stops the session's
// frames before anybody has returned from the call that found the ownership gone (rule 12).
type Hold struct {
	cliente Cliente
	lease   *Lease
	token   atomic.Pointer[Token]
	ctx     context.Context
	cancel  context.CancelCauseFunc
}

// NewHold is the ownership of cliente under token, hung on lease. Its Context is a child
// of parent.
func NewHold(parent context.Context, cliente Cliente, token Token, lease *Lease) *Hold {
	h := &Hold{cliente: cliente, lease: lease}
	h.token.Store(&token)
	h.ctx, h.cancel = context.WithCancelCause(parent)
	return h
}

// Cliente is who is owned.
func (h *Hold) Cliente() Cliente { return h.cliente }

// Token is the fencing token that writes must carry.
func (h *Hold) Token() Token { return *h.token.Load() }

// Context ends when the ownership does; context.Cause tells why (ErrFenced, ErrLeaseLost,
// ErrReleased, ...).
func (h *Hold) Context() context.Context { return h.ctx }

// Check returns nil while this process may act for the cliente at now. Otherwise it ends the
// Hold where it had not ended, and returns the cause.
func (h *Hold) Check(now time.Time) error {
	if h.ctx.Err() != nil {
		return context.Cause(h.ctx)
	}
	if h.lease.Passed(now) {
		h.End(ErrLeaseLost)
		return context.Cause(h.ctx)
	}
	return nil
}

// End ends the ownership with a cause: Context is cancelled when End returns. The first
// cause stands. Call it before returning the error that made it necessary.
func (h *Hold) End(cause error) { h.cancel(cause) }
