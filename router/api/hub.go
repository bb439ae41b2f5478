package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/valyala/fasthttp"

	"session-manager/node/ownership"
)

// The routes that the hub's typed client and its front-end know.

type hubBody struct {
	InstanceID     string  `json:"instance_id"`
	PhoneNumber    *string `json:"phone_number"`
	Status         string  `json:"status"`
	QRStatus       string  `json:"qr_status"`
	QRString       *string `json:"qr_string"`
	QRGeneratedAt  *string `json:"qr_generated_at"`
	QRExpiresAt    *string `json:"qr_expires_at"`
	ConnectedAt    *string `json:"connected_at"`
	DisconnectedAt *string `json:"disconnected_at"`
	LastErrorCode  *string `json:"last_error_code"`
	LastErrorText  *string `json:"last_error_message"`
}

// hubStatus is a state in the hub's words.
func hubStatus(s State) string {
	switch s {
	case Ready:
		return "connected"
	case QRRequired:
		return "qr_required"
	case Reconnecting, DisconnectedRecoverable:
		return "connecting"
	case DisconnectedLogout:
		return "disconnected"
	case AuthFailure, Error, DisconnectedBanned:
		return "error"
	}
	return "init"
}

func hubQRStatus(now Snapshot) string {
	switch {
	case now.State == QRRequired && time.Now().Before(now.QRExpires):
		return "generated"
	case now.State == QRRequired, now.State == AuthFailure:
		return "expired"
	case now.State == Ready, now.State == Reconnecting, now.State == DisconnectedRecoverable:
		return "used"
	}
	return "none"
}

func (h *Handler) hubSession(ctx *fasthttp.RequestCtx, c ownership.Cliente, now Snapshot) {
	JSON(ctx, fasthttp.StatusOK, hubBody{
		InstanceID: "sender_" + c.String(), PhoneNumber: text(now.Phone), Status: hubStatus(now.State), QRStatus: hubQRStatus(now),
		QRString: h.picture(now), QRGeneratedAt: instant(now.QRGenerated), QRExpiresAt: instant(now.QRExpires),
		ConnectedAt: instant(now.ConnectedAt), DisconnectedAt: instant(now.DisconnectedAt),
		LastErrorCode: text(now.LastError.Code), LastErrorText: text(Discreet(now.LastError.Message)),
	})
}

// hubQR returns the QR that is due, and waits for one that is on its way.
func (h *Handler) hubQR(ctx *fasthttp.RequestCtx, life context.Context, s Session) error {
	if err := s.RenewQR(life); err != nil && !errors.Is(err, ErrAlreadyPaired) { // the state says of that
		Refuse(ctx, fasthttp.StatusInternalServerError, "QR_GENERATION_FAILED", err.Error())
		return nil
	}
	timer := time.NewTimer(h.QRWait)
	defer timer.Stop()
	var why error // it fails, as far as is known, and goes on trying
	for over := false; ; {
		changed := s.Changed()
		now := s.Snapshot()
		picture, err := h.hubPicture(now)
		switch {
		case now.Ending:
			return ErrMoved
		case err != nil && now.State == Initializing && !over:
			if why == nil {
				timer.Reset(secondChance)
			}
			why = err
		case errors.Is(err, ErrAlreadyPaired):
			Refuse(ctx, fasthttp.StatusConflict, "SESSION_ALREADY_CONNECTED", "Session is already connected")
			return nil
		case err != nil:
			Refuse(ctx, fasthttp.StatusInternalServerError, "QR_GENERATION_FAILED", err.Error())
			return nil
		case picture != nil:
			JSON(ctx, fasthttp.StatusOK, struct {
				QR      string  `json:"qr_string"`
				Expires *string `json:"qr_expires_at"`
			}{*picture, instant(now.QRExpires)})
			return nil
		case over && now.Pending:
			return ErrPending
		case over:
			if why == nil {
				why = errors.New("WhatsApp has not sent a QR code yet - try again")
			}
			Refuse(ctx, fasthttp.StatusInternalServerError, "QR_GENERATION_FAILED", why.Error())
			return nil
		}
		select {
		case <-changed:
		case <-timer.C:
			over = true
		case <-life.Done(): // sooner, where another node was asked first
			over = true
		}
	}
}

// secondChance is how long a QR is waited for where the last attempt at one has failed: the next may be
// under way.
const secondChance = time.Second

// hubPicture is the QR that is due; nil without an error: it is on its way. Its error says why none comes.
func (h *Handler) hubPicture(now Snapshot) (*string, error) {
	reason := fmt.Errorf("%s: %s", now.LastError.Code, now.LastError.Message)
	switch {
	case now.Pending:
		return nil, nil
	case now.State == DisconnectedBanned, now.State == Error, now.State == AuthFailure, now.State == DisconnectedLogout:
		return nil, reason // the last two: no pairing could be begun, or it was refused
	case now.State == Initializing && now.LastError.Code != "":
		return nil, reason // it goes on trying
	case now.LastError.Code == storeUnavailable && now.Phone == "":
		return nil, reason // nobody knows whether it is paired
	case now.State == Ready, now.State == Reconnecting, now.State == DisconnectedRecoverable:
		return nil, ErrAlreadyPaired
	case time.Now().Before(now.QRExpires):
		return h.picture(now), nil
	}
	return nil, nil
}

type frontBody struct {
	OK           bool              `json:"ok"`
	Cliente      ownership.Cliente `json:"cliente_id"`
	State        State             `json:"state"`
	Connected    bool              `json:"connected"`
	Connecting   bool              `json:"connecting"`
	NeedsQR      bool              `json:"needs_qr"`
	CanSend      bool              `json:"can_send_messages"`
	Action       string            `json:"recommended_action"`
	QRCodeBase64 *string           `json:"qr_code_base64,omitempty"`
}

func (h *Handler) frontStatus(ctx *fasthttp.RequestCtx, c ownership.Cliente, now Snapshot) {
	t := stateTable[now.State]
	JSON(ctx, fasthttp.StatusOK, frontBody{
		OK: true, Cliente: c, State: now.State, Connected: t.connected,
		Connecting: now.State == Initializing || now.State == Reconnecting,
		NeedsQR:    t.needsQR, CanSend: t.canSend, Action: t.action, QRCodeBase64: h.picture(now),
	})
}

// text is null where there is none.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// instant is RFC 3339 in UTC, null where there is none.
func instant(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := t.UTC().Format(time.RFC3339)
	return &s
}
