package router

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"session-manager/node/keyless"
	"session-manager/node/ownership"
	"session-manager/router/api"
)

// Headers between nodes, and of answers.
const (
	headerOwner      = "X-Session-Owner"
	headerEpoch      = "X-Session-Epoch"
	headerForwarded  = "X-Session-Forwarded"   // the node that forwarded; at most one does
	HeaderPeer       = "X-Session-Peer"        // the cluster's token
	headerNotStarted = "X-Session-Not-Started" // on a 503: nothing was done, ask the next owner
	headerKey        = "Idempotency-Key"
	headerCliente    = "X-Cliente-Id"
	headerLeft       = "X-Session-Left" // milliseconds until the caller gives up
)

// outcome is how one attempt at a request ended. What follows from it:
//
//	attempt                                          | tried again?
//	-------------------------------------------------|----------------------------------------
//	answered                                         | no, this is the answer
//	not started: no connection, 421, 503 not started | yes, any method, after a new look-up
//	broken: connection lost after bytes were written | yes: GET, and POST that has a key or is idempotent
//	timed out                                        | never: 504, outcome unknown
//
// Every POST /send has a key: the first router mints one where the caller sent none.
type outcome uint8

const (
	answered outcome = iota
	notStarted
	broken
	timedOut
	outcomes
)

// pauses between attempts where nothing in the directory changes.
const (
	firstPause = 10 * time.Millisecond
	maxPause   = 500 * time.Millisecond
)

// servePublic serves a caller's request.
func (r *Router) servePublic(ctx *fasthttp.RequestCtx) {
	if r.serveOpen(ctx) {
		return
	}
	grant, ok := r.authenticate(ctx)
	if !ok || r.serveOperator(ctx, grant) || r.serveOrder(ctx, grant) {
		return
	}
	r.nameDefault(ctx)
	t, ok := parseTarget(ctx)
	if !ok {
		return
	}
	if wantsPage(ctx, t) {
		defer showPage(ctx)
	}
	ctx.SetUserValue(kindKey, callers(t.route))
	if !grant.allows(t.cliente) {
		r.forbid(ctx, grant, "API key is not valid for this cliente", "cliente", t.cliente)
		return
	}
	if key := ctx.Request.Header.Peek(headerKey); !validKey(key) {
		api.Refuse(ctx, fasthttp.StatusBadRequest, "INVALID_REQUEST", "Idempotency-Key must be 1 to 255 visible ASCII characters")
		return
	} else if t.route == api.Send && len(key) == 0 {
		ctx.Request.Header.Set(headerKey, keyless.NewKey())
		defer r.tellOnceWritten(ctx, t.cliente)
	}
	if !r.crowds.join(t.cliente) {
		crowded(ctx)
		return
	}
	defer r.crowds.leave(t.cliente)
	if t.route == api.HubSession && !r.known(ctx, t.cliente) {
		return
	}
	b := r.bodyOf(ctx, t.route)
	if b == nil {
		return
	}
	defer b.release()
	r.route(ctx, t, grant)
}

// crowded says that nothing was carried out, as too much is under way.
func crowded(ctx *fasthttp.RequestCtx) {
	api.Refuse(ctx, fasthttp.StatusServiceUnavailable, "SESSION_BUSY", "Too many requests of this cliente at once - retry")
}

// nameDefault puts the default cliente into a request that names none.
func (r *Router) nameDefault(ctx *fasthttp.RequestCtx) {
	if r.cfg.DefaultCliente != 0 && ctx.Request.Header.Peek(headerCliente) == nil {
		ctx.Request.Header.Set(headerCliente, r.cfg.DefaultCliente.String())
	}
}

// known answers 404 for a cliente that never existed: asking for its session creates none.
func (r *Router) known(ctx *fasthttp.RequestCtx, c ownership.Cliente) bool {
	life, cancel := context.WithDeadline(r.life, ctx.Time().Add(r.cfg.Limits.Look))
	defer cancel()
	known, err := r.cfg.Operator.Known(life, c)
	switch {
	case err != nil:
		api.Refuse(ctx, fasthttp.StatusServiceUnavailable, "STORE_UNAVAILABLE", "Credential store unavailable - retry")
	case !known:
		sessionNotFound(ctx)
	}
	return err == nil && known
}

// route gets the request to the cliente's owner, wherever that is and moves to.
func (r *Router) route(ctx *fasthttp.RequestCtx, t target, who caller) {
	if r.serveRunning(ctx, t) {
		r.metrics.attempts[here][answered].Inc()
		return
	}
	deadline := ctx.Time().Add(r.cfg.Limits.of(t.route))
	// No attempt begins that could not end in time: one that is cut off has an unknown outcome.
	last := deadline.Add(-min(r.cfg.Limits.Reserve+dialTimeout, time.Until(deadline)/4))
	pause := firstPause
	waits := false
	defer func() {
		if waits {
			r.waiting.giveBack(who.name())
		}
	}()
	var why error
	lost := false // a send after bytes of it were written: it may have been carried out
	for {
		changed := r.cfg.Directory.Changed()
		at := r.cfg.Directory.Locate(t.cliente)
		result, err := r.attempt(ctx, t, at, deadline)
		r.metrics.attempt(at, result)
		why = err
		if r.hindered(ctx, lost, err) {
			return
		}
		switch result {
		case answered:
			if lost && ctx.Response.StatusCode() == fasthttp.StatusServiceUnavailable {
				ctx.Response.Reset() // it says that repeating is safe
				r.giveUp(ctx, lost, "another attempt was refused")
			}
			return
		case timedOut:
			if t.route != api.Send { // to look twice changes nothing
				r.unavailable(ctx, "the session's owner did not answer in time")
				return
			}
			api.Refuse(ctx, fasthttp.StatusGatewayTimeout, "OUTCOME_UNKNOWN", "The session's owner did not answer in time - outcome unknown")
			return
		case broken:
			if t.route == api.Send && len(ctx.Request.Header.Peek(headerKey)) == 0 {
				api.Refuse(ctx, fasthttp.StatusBadGateway, "OUTCOME_UNKNOWN", "The session's owner was lost - outcome unknown")
				return
			}
			lost = lost || t.route == api.Send
		}
		// Not at once: an attempt may be what shows that the session is elsewhere, or will be in a moment.
		if err := r.inVain(at); err != nil && !lost && time.Since(ctx.Time()) >= maxPause {
			r.unavailable(ctx, err.Error())
			return
		}
		if !waits {
			if waits = r.waiting.take(who.name(), r.cfg.Limits.Waiting); !waits {
				r.giveUp(ctx, lost, "too many requests wait for their owners")
				return
			}
		}
		timer := time.NewTimer(min(pause, time.Until(last)))
		select {
		case <-changed:
		case <-timer.C:
			pause = min(2*pause, maxPause)
		case <-r.life.Done():
		}
		timer.Stop()
		if r.life.Err() != nil || !time.Now().Before(last) {
			reason := "no owner in time"
			if why != nil {
				reason = why.Error()
			}
			r.giveUp(ctx, lost, reason)
			return
		}
	}
}

// inVain returns why another attempt does not help, nil where it may.
func (r *Router) inVain(at Location) error {
	if err := r.cfg.Directory.InVain(); err != nil || at.Owner == "" || at.Mine {
		return err
	}
	return r.peers.unreachable(at.Address, r.cfg.Limits.Unreachable)
}

// giveUp is the answer when no owner could be had; lost: an attempt may have been carried out.
func (r *Router) giveUp(ctx *fasthttp.RequestCtx, lost bool, reason string) {
	if lost {
		api.Refuse(ctx, fasthttp.StatusGatewayTimeout, "OUTCOME_UNKNOWN", "The session's owner was lost - outcome unknown: "+reason)
		return
	}
	r.unavailable(ctx, reason)
}

// attempt tries once, where the directory says.
func (r *Router) attempt(ctx *fasthttp.RequestCtx, t target, at Location, deadline time.Time) (outcome, error) {
	switch {
	case at.Mine, at.Owner == "" && at.PlacementMine:
		err := r.serveHere(ctx, t, deadline)
		if err != nil {
			return notStarted, err
		}
		return answered, nil
	case at.Owner != "":
		return r.forward(ctx, t, at.Address, deadline)
	case at.PlacementAddress != "":
		return r.forward(ctx, t, at.PlacementAddress, deadline)
	}
	return notStarted, errors.New("no node of the cluster takes clientes now")
}

// serveRunning serves what waits for nothing: what only looks at a session, if it runs here.
func (r *Router) serveRunning(ctx *fasthttp.RequestCtx, t target) bool {
	if t.route == api.Send || t.route == api.HubQR || t.route == api.Restart {
		return false
	}
	s, epoch, ok := r.cfg.Local.Running(t.cliente)
	if !ok {
		return false
	}
	if err := r.handler.Serve(ctx, r.life, t.route, t.cliente, s); err != nil {
		ctx.Response.Reset()
		return false
	}
	r.sign(ctx, epoch)
	return true
}

// sign says in the answer who gave it.
func (r *Router) sign(ctx *fasthttp.RequestCtx, epoch ownership.Token) {
	ctx.Response.Header.Set(headerOwner, r.cfg.Node)
	var space [40]byte // two numbers and a point
	ctx.Response.Header.SetBytesV(headerEpoch, epoch.Append(space[:0]))
}

// serveHere serves the request with this node's own session. An error means that nothing was
// done, or that the next owner may safely be asked for the same again.
func (r *Router) serveHere(ctx *fasthttp.RequestCtx, t target, deadline time.Time) error {
	life := &patience{router: r.life, deadline: deadline}
	defer life.end()
	s, epoch, err := r.cfg.Local.Session(life, t.cliente)
	if err != nil {
		return err
	}
	if t.route == api.Restart {
		err = r.handler.Restart(ctx, life, t.cliente, s, r.cfg.Node, epoch)
	} else {
		err = r.handler.Serve(ctx, life, t.route, t.cliente, s)
	}
	if err != nil {
		ctx.Response.Reset()
		return err
	}
	r.sign(ctx, epoch)
	return nil
}

// servePeer serves a request that another node forwarded: here or not at all.
func (r *Router) servePeer(ctx *fasthttp.RequestCtx) {
	if !r.admitsPeer(ctx) {
		return
	}
	switch string(ctx.Path()) {
	case StandingPath:
		r.serveStanding(ctx)
		return
	case streamPath:
		r.serveStream(ctx)
		return
	}
	if r.serveOpen(ctx) || r.serveTold(ctx) {
		return
	}
	t, ok := parseTarget(ctx)
	if !ok {
		return
	}
	b := r.bodyOf(ctx, t.route)
	if b == nil {
		return
	}
	defer b.release()
	r.serveOwned(ctx, t, r.callersDeadline(ctx, t.route))
	if ctx.Response.StatusCode() == fasthttp.StatusForbidden && len(ctx.Request.Header.Peek(headerLeft)) == 0 {
		// A node of the release before would take it for a refusal of the node itself, and try again and again.
		ctx.SetStatusCode(fasthttp.StatusUnprocessableEntity)
	}
	ctx.Response.Header.Set(headerStreams, streamsVersion)
}

// callersDeadline is when the caller of a forwarded request gives up: as the other node says; one of
// a release before says nothing.
func (r *Router) callersDeadline(ctx *fasthttp.RequestCtx, route api.Route) time.Time {
	left := r.cfg.Limits.of(route)
	if said, err := strconv.ParseUint(string(ctx.Request.Header.Peek(headerLeft)), 10, 31); err == nil {
		left = min(left, time.Duration(said)*time.Millisecond)
	}
	return ctx.Time().Add(left)
}

// serveOwned serves another node's request if this node owns the cliente, or is to.
func (r *Router) serveOwned(ctx *fasthttp.RequestCtx, t target, deadline time.Time) {
	ctx.SetUserValue(kindKey, nodes(t.route))
	if !r.crowds.join(t.cliente) {
		crowded(ctx)
		return
	}
	defer r.crowds.leave(t.cliente)
	if r.serveRunning(ctx, t) {
		return
	}
	at := r.cfg.Directory.Locate(t.cliente)
	if !at.Mine && (at.Owner != "" || !at.PlacementMine) {
		ctx.Response.Header.Set(headerOwner, at.Owner)
		api.Refuse(ctx, fasthttp.StatusMisdirectedRequest, "NOT_OWNER", "This node does not own the cliente")
		return
	}
	if err := r.serveHere(ctx, t, deadline); err != nil && !r.hindered(ctx, false, err) {
		ctx.Response.Header.Set(headerNotStarted, "1")
		r.unavailable(ctx, err.Error())
	}
}

// unavailable says that nothing was carried out: it is safe to repeat.
func (r *Router) unavailable(ctx *fasthttp.RequestCtx, reason string) {
	ctx.Response.ResetBody()
	api.Refuse(ctx, fasthttp.StatusServiceUnavailable, "OWNER_UNAVAILABLE", "No owner for this session yet: "+reason)
}
