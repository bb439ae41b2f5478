package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"session-manager/node/keyless"
	"session-manager/node/ownership"
)

// Route is a request of a cliente.
type Route uint8

// The routes of a cliente.
const (
	Status      Route = iota // GET /status
	QRCode                   // GET /qr-code
	QR                       // GET /qr
	Send                     // POST /send
	HubSession               // GET /api/session-manager/sessions/sender_<cliente>
	HubQR                    // POST /api/session-manager/sessions/sender_<cliente>/qr
	FrontStatus              // GET /api/whatsapp/<cliente>/status
	Connect                  // POST /connect
	Restart                  // POST /session/restart, Handler.Restart's
)

func (r Route) String() string {
	return [...]string{"status", "qr-code", "qr", "send", "hub-session", "hub-qr", "front-status", "connect", "restart"}[r]
}

// Handler answers the routes of a cliente whose session is at this node.
type Handler struct {
	MaxReconnections int           // as callers are told
	ReadyWait        time.Duration // how long a send waits for a session that is on its way
	QRWait           time.Duration // how long POST .../qr waits for a first code
	pictures         pictures
}

// Serve answers one request. ErrMoved: nothing was answered, the session is somewhere else by
// now and may be asked there. ErrPending: nothing was answered, it may be asked again.
func (h *Handler) Serve(ctx *fasthttp.RequestCtx, life context.Context, route Route, c ownership.Cliente, s Session) error {
	switch route {
	case Send:
		return h.send(ctx, life, c, s)
	case HubQR:
		return h.hubQR(ctx, life, s)
	}
	anew := false // the request begins a pairing: whoever is told that a QR is needed gets one
	if route == QRCode || route == QR || route == Connect {
		before := s.Snapshot().State
		anew = stateTable[before].needsQR && before != QRRequired && s.RenewQR(life) == nil
	}
	now, err := settled(life, s)
	if err != nil {
		return err
	}
	if now.LastError.Code != "" { // the bodies are the contract's, to the byte; why is said beside them
		ctx.Response.Header.Set(headerError, printable(now.LastError.Code+": "+Discreet(now.LastError.Message)))
	}
	switch route {
	case Status:
		h.status(ctx, c, now)
	case QRCode:
		h.qrCode(ctx, now)
	case QR:
		if anew {
			now = firstQR(life, s)
		}
		h.qr(ctx, now)
	case HubSession:
		h.hubSession(ctx, c, now)
	case FrontStatus:
		h.frontStatus(ctx, c, now)
	case Connect:
		h.connect(ctx, now)
	}
	return nil
}

// headerError is where an answer says what went wrong last with the session.
const headerError = "X-Session-Error"

// printable makes a text fit for a header.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, text)
	return text[:min(len(text), 300)]
}

// picture is the QR of a session as a data URL, nil where none is due.
func (h *Handler) picture(now Snapshot) *string {
	if now.State != QRRequired || now.QR == "" {
		return nil
	}
	url, err := h.pictures.URL(now.QR)
	if err != nil {
		return nil
	}
	return &url
}

func (h *Handler) qrCode(ctx *fasthttp.RequestCtx, now Snapshot) {
	picture := h.picture(now)
	switch {
	case picture != nil:
		JSON(ctx, fasthttp.StatusOK, struct {
			QR string `json:"qr"`
		}{*picture})
	case now.State == Initializing || now.State == QRRequired:
		JSON(ctx, fasthttp.StatusNotFound, struct {
			OK      bool   `json:"ok"`
			Error   string `json:"error"`
			Message string `json:"message"`
		}{false, "QR_NOT_AVAILABLE", "QR no generado todavía. Intenta de nuevo en unos segundos."})
	default:
		JSON(ctx, fasthttp.StatusConflict, struct {
			OK      bool   `json:"ok"`
			Error   string `json:"error"`
			Message string `json:"message"`
			State   State  `json:"current_state"`
		}{false, "QR_NOT_REQUIRED", "La sesión no requiere QR en este momento", now.State})
	}
}

// firstQR waits a moment for the QR of a pairing that has just begun: GET /qr knows no "not yet".
func firstQR(life context.Context, s Session) Snapshot {
	timer := time.NewTimer(readWait)
	defer timer.Stop()
	for {
		changed := s.Changed()
		now := s.Snapshot()
		if now.State != Initializing || now.LastError.Code != "" {
			return now
		}
		select {
		case <-changed:
		case <-timer.C:
			return now
		case <-life.Done():
			return now
		}
	}
}

func (h *Handler) qr(ctx *fasthttp.RequestCtx, now Snapshot) {
	if picture := h.picture(now); picture != nil {
		JSON(ctx, fasthttp.StatusOK, struct {
			State     State  `json:"state"`
			ExpiresIn int    `json:"expires_in"`
			QR        string `json:"qr"`
		}{now.State, max(0, int(time.Until(now.QRExpires).Seconds())), *picture})
		return
	}
	JSON(ctx, fasthttp.StatusConflict, struct {
		Error   string `json:"error"`
		State   State  `json:"state"`
		CanSend bool   `json:"can_send_messages"`
	}{"QR not available", now.State, stateTable[now.State].canSend})
}

// storeUnavailable is the code of a session that waits for the credential store: 503, as its
// caller need not know what becomes of the session, only that nothing was sent.
const (
	storeUnavailable = "STORE_UNAVAILABLE"
	storeFailed      = "STORE_FAILED"   // it answers, but with an error that nobody foresaw
	unreachable      = "CONNECT_FAILED" // this node has no way to WhatsApp
)

func (h *Handler) send(ctx *fasthttp.RequestCtx, life context.Context, c ownership.Cliente, s Session) error {
	to, text, refused := parseSend(ctx.PostBody(), c)
	if refused != nil {
		refused.refuse(ctx)
		return nil
	}
	message := Message{To: to, Text: text, Key: string(ctx.Request.Header.Peek("Idempotency-Key")),
		BodyHash: sha256.Sum256([]byte(strconv.Itoa(len(to)) + ":" + to + text))}
	for {
		now := h.awaitReady(life, s)
		if now.Ending {
			return ErrMoved // its successor may be READY long before this one's time is up
		}
		if now.Pending {
			return ErrPending
		}
		if now.State != Ready {
			refuseNotReady(ctx, now)
			return nil
		}
		sent, err := s.Send(life, message)
		switch {
		case err == nil:
			JSON(ctx, fasthttp.StatusOK, struct {
				OK        bool   `json:"ok"`
				MessageID string `json:"message_id"`
			}{true, sent.MessageID})
			askToTell(ctx, message.Key)
			return nil
		case errors.Is(err, ErrMoved):
			return err
		case errors.Is(err, ErrNotReady) && life.Err() == nil:
			continue // it dropped between the look and the send; nothing was sent
		case errors.Is(err, ErrNotReady):
			refuseNotReady(ctx, s.Snapshot())
			return nil
		}
		refuseError(ctx, err)
		askToTell(ctx, message.Key)
		return nil
	}
}

// HeaderTell of an answer asks the node that writes it to the caller to say so, once that is done. Its value is
// Here, until another node has it: then it is the address of the one that asks.
const (
	HeaderTell = "X-Session-Tell"
	Here       = "here"
)

// askToTell asks for word of an answer that says what became of a send without a key of the caller's.
func askToTell(ctx *fasthttp.RequestCtx, key string) {
	switch ctx.Response.StatusCode() {
	case fasthttp.StatusServiceUnavailable, fasthttp.StatusBadGateway, fasthttp.StatusGatewayTimeout:
		return
	}
	if keyless.Is(key) {
		ctx.Response.Header.Set(HeaderTell, Here)
	}
}

func refuseNotReady(ctx *fasthttp.RequestCtx, now Snapshot) {
	if onItsWay(now.State) && now.LastError.Code == unreachable {
		Refuse(ctx, fasthttp.StatusServiceUnavailable, "WHATSAPP_UNAVAILABLE",
			"The session's node cannot reach WhatsApp, message not sent - retry, and check its network, DNS and firewall: "+now.LastError.Message)
		return
	}
	if onItsWay(now.State) && now.LastError.Code == storeUnavailable {
		refuseError(ctx, ErrStoreUnavailable)
		return
	}
	if onItsWay(now.State) && now.LastError.Code == storeFailed {
		refuseError(ctx, ErrStoreFailed)
		return
	}
	Refuse(ctx, fasthttp.StatusConflict, "SESSION_NOT_READY", fmt.Sprintf("WhatsApp session not ready. Current state: %s", now.State))
}

// inVain says whether it does not help to wait for a session to be READY: what it needs, the credential store
// or a way to WhatsApp, has been missing for a while.
func inVain(now Snapshot) bool {
	switch now.LastError.Code {
	case storeUnavailable, storeFailed, unreachable:
		return onItsWay(now.State) && time.Since(now.Since) >= fresh
	}
	return false
}

// awaitReady waits while the session is on its way to READY, ReadyWait at most.
func (h *Handler) awaitReady(life context.Context, s Session) Snapshot {
	timer := time.NewTimer(h.ReadyWait)
	defer timer.Stop()
	for {
		changed := s.Changed()
		now := s.Snapshot()
		if now.Ending || !now.Pending && (!onItsWay(now.State) || inVain(now)) {
			return now
		}
		select {
		case <-changed:
		case <-timer.C:
			return now
		case <-life.Done():
			return now
		}
	}
}
