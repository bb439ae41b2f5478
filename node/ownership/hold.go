package ownership

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Hold is the running ownership of one cliente by this process: what every outward act and
// every stored write of its session checks. There is one Hold per session; once ended it
// never becomes valid again.
//
// Its Context is the one that whatsmeow gets, so that ending the Hold stops the session's
// frames before anybody has returned from the call that found the ownership gone (rule 12).
type Hold struct {
	cliente Cliente
	grounds atomic.Pointer[grounds]
	swap    sync.RWMutex // keeps the token that the store holds and the one in grounds the same; held over one statement
	ctx     context.Context
	cancel  context.CancelCauseFunc
}

// grounds are what an ownership rests on.
type grounds struct {
	token Token
	lease *Lease
}

// NewHold is the ownership of cliente under token, hung on lease. Its Context is a child
// of parent.
func NewHold(parent context.Context, cliente Cliente, token Token, lease *Lease) *Hold {
	h := &Hold{cliente: cliente}
	h.grounds.Store(&grounds{token, lease})
	h.ctx, h.cancel = context.WithCancelCause(parent)
	return h
}

// Cliente is who is owned.
func (h *Hold) Cliente() Cliente { return h.cliente }

// Token is the fencing token at this moment. A write takes it from Steady.
func (h *Hold) Token() Token { return h.grounds.Load().token }

// Steady is the token that a write must carry, which stays the store's until release is called.
func (h *Hold) Steady() (t Token, release func()) {
	h.swap.RLock()
	return h.Token(), h.swap.RUnlock
}

// Swap moves a running ownership to a new lease and the greater token of its new key. commit
// swaps the token in the store, while no write is under way: one that carried the old token
// to a store that has the new one would fence its own session. After an error of commit nothing
// has changed here.
func (h *Hold) Swap(token Token, lease *Lease, commit func(old Token) error) error {
	h.swap.Lock()
	defer h.swap.Unlock()
	if err := commit(h.Token()); err != nil {
		return err
	}
	h.grounds.Store(&grounds{token, lease})
	return nil
}

// Context ends when the ownership does; context.Cause tells why (ErrFenced, ErrLeaseLost,
// ErrReleased, ...).
func (h *Hold) Context() context.Context { return h.ctx }

// Check returns nil while this process may act for the cliente at now. Otherwise it ends the
// Hold where it had not ended, and returns the cause.
func (h *Hold) Check(now time.Time) error {
	if h.ctx.Err() != nil {
		return context.Cause(h.ctx)
	}
	if h.grounds.Load().lease.Passed(now) {
		h.End(ErrLeaseLost)
		return context.Cause(h.ctx)
	}
	return nil
}

// End ends the ownership with a cause: Context is cancelled when End returns. The first
// cause stands. Call it before returning the error that made it necessary.
func (h *Hold) End(cause error) { h.cancel(cause) }
