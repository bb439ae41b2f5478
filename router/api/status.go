package api

import (
	"encoding/json"
	"strconv"

	"github.com/valyala/fasthttp"

	"session-manager/node/ownership"
)

type statusBody struct {
	Cliente      ownership.Cliente `json:"cliente_id"`
	Connected    bool              `json:"connected"`
	State        State             `json:"state"`
	Status       State             `json:"status"` // the same again, as the newest hub calls it
	Attempts     int               `json:"reconnection_attempts"`
	MaxAttempts  int               `json:"max_reconnection_attempts"`
	CanSend      bool              `json:"can_send_messages"`
	NeedsQR      bool              `json:"needs_qr"`
	Recoverable  bool              `json:"is_recoverable"`
	Action       string            `json:"recommended_action"`
	QRCodeBase64 *string           `json:"qr_code_base64"`
}

// usualBody is enough for the body of a status without a picture.
const usualBody = 512

func (h *Handler) status(ctx *fasthttp.RequestCtx, c ownership.Cliente, now Snapshot) {
	t := stateTable[now.State]
	body := statusBody{
		Cliente: c, Connected: t.connected, State: now.State, Status: now.State, Attempts: now.Attempts, MaxAttempts: h.MaxReconnections,
		CanSend: t.canSend, NeedsQR: t.needsQR, Recoverable: t.recoverable, Action: t.action, QRCodeBase64: h.picture(now),
	}
	var space [usualBody]byte
	answer(ctx, fasthttp.StatusOK, body.appendJSON(space[:0]))
}

// appendJSON writes what encoding/json would write, without looking at types: a status is what
// callers ask for most.
func (s statusBody) appendJSON(b []byte) []byte {
	b = append(b, `{"cliente_id":`...)
	b = strconv.AppendInt(b, int64(s.Cliente), 10)
	b = append(b, `,"connected":`...)
	b = strconv.AppendBool(b, s.Connected)
	b = append(b, `,"state":`...)
	b = appendText(b, string(s.State))
	b = append(b, `,"status":`...)
	b = appendText(b, string(s.Status))
	b = append(b, `,"reconnection_attempts":`...)
	b = strconv.AppendInt(b, int64(s.Attempts), 10)
	b = append(b, `,"max_reconnection_attempts":`...)
	b = strconv.AppendInt(b, int64(s.MaxAttempts), 10)
	b = append(b, `,"can_send_messages":`...)
	b = strconv.AppendBool(b, s.CanSend)
	b = append(b, `,"needs_qr":`...)
	b = strconv.AppendBool(b, s.NeedsQR)
	b = append(b, `,"is_recoverable":`...)
	b = strconv.AppendBool(b, s.Recoverable)
	b = append(b, `,"recommended_action":`...)
	b = appendText(b, s.Action)
	b = append(b, `,"qr_code_base64":`...)
	if s.QRCodeBase64 == nil {
		b = append(b, "null"...)
	} else {
		b = appendText(b, *s.QRCodeBase64)
	}
	return append(b, '}')
}

// appendText writes a JSON string. What has to be escaped is left to encoding/json.
func appendText(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, err := json.Marshal(text)
			if err != nil {
				panic(err) // no string fails to marshal
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, text...)
	return append(b, '"')
}

// connect answers POST /connect, by which the newest hub sees to it that a session is started: any request
// of a cliente does so.
func (h *Handler) connect(ctx *fasthttp.RequestCtx, now Snapshot) {
	JSON(ctx, fasthttp.StatusOK, struct {
		Success   bool  `json:"success"`
		State     State `json:"state"`
		Connected bool  `json:"alreadyConnected"`
	}{true, now.State, stateTable[now.State].connected})
}
