package router

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	_ "image/png"
	"strings"
	"testing"
	"time"

	"github.com/makiuchi-d/gozxing"
	gozxingqr "github.com/makiuchi-d/gozxing/qrcode"

	"session-manager/router/api"
)

const cliente = "X-Cliente-Id: 51"

// Every row of the contract, as whole bodies. "QR" stands for the data URL, which is scanned apart.
func TestContract(t *testing.T) {
	at := time.Date(2026, 1, 4, 12, 34, 56, 0, time.UTC)
	soon := time.Now().Add(31 * time.Second)
	qr := api.Snapshot{State: api.QRRequired, QR: "code", QRGenerated: at, QRExpires: soon}
	expires := soon.UTC().Format(time.RFC3339)
	ready := api.Snapshot{State: api.Ready, Phone: "+5491100000001", ConnectedAt: at}
	send := `{"to":"5491100000002","message":"hola"}`
	for _, row := range []struct {
		name    string
		now     api.Snapshot
		method  string
		path    string
		headers []string
		body    string
		sendErr error
		renew   error
		unknown bool
		code    int
		want    string
	}{
		{name: "header missing", path: "/status", code: 400, want: `{"error":true,"code":"MISSING_HEADER","message":"Header X-Cliente-Id es requerido"}`},
		{name: "51abc", path: "/status", headers: []string{"X-Cliente-Id: 51abc"}, code: 400, want: `{"error":true,"code":"INVALID_HEADER","message":"X-Cliente-Id debe ser un número positivo"}`},
		{name: "1e3", path: "/status", headers: []string{"X-Cliente-Id: 1e3"}, code: 400, want: `{"error":true,"code":"INVALID_HEADER","message":"X-Cliente-Id debe ser un número positivo"}`},
		{name: "+5", path: "/qr", headers: []string{"X-Cliente-Id: +5"}, code: 400, want: `{"error":true,"code":"INVALID_HEADER","message":"X-Cliente-Id debe ser un número positivo"}`},
		{name: "51 x", path: "/qr", headers: []string{"X-Cliente-Id: 51 x"}, code: 400, want: `{"error":true,"code":"INVALID_HEADER","message":"X-Cliente-Id debe ser un número positivo"}`},
		{name: "0", path: "/send", method: "POST", headers: []string{"X-Cliente-Id: 0"}, code: 400, want: `{"error":true,"code":"INVALID_HEADER","message":"X-Cliente-Id debe ser un número positivo"}`},
		{name: "too large", path: "/status", headers: []string{"X-Cliente-Id: 9007199254740992"}, code: 400, want: `{"error":true,"code":"INVALID_HEADER","message":"X-Cliente-Id debe ser un número positivo"}`},
		{name: "twice", path: "/status", headers: []string{cliente, "X-Cliente-Id: 52"}, code: 400, want: `{"error":true,"code":"INVALID_HEADER","message":"X-Cliente-Id debe ser un número positivo"}`},

		{name: "status ready", now: ready, path: "/status", headers: []string{cliente}, code: 200, want: status("READY", "true", "true", "false", "false", "Session operational - can send messages", "null")},
		{name: "status initializing", now: api.Snapshot{State: api.Initializing}, path: "/status", headers: []string{cliente}, code: 200, want: status("INITIALIZING", "false", "false", "false", "true", "Initializing for first time - wait", "null")},
		{name: "status reconnecting", now: api.Snapshot{State: api.Reconnecting}, path: "/status", headers: []string{cliente}, code: 200, want: status("RECONNECTING", "false", "false", "false", "true", "Recovering existing session - wait", "null")},
		{name: "status qr", now: qr, path: "/status", headers: []string{cliente}, code: 200, want: status("QR_REQUIRED", "false", "false", "true", "false", "Scan QR code to authenticate", `"QR"`)},
		{name: "status auth failure", now: api.Snapshot{State: api.AuthFailure}, path: "/status", headers: []string{cliente}, code: 200, want: status("AUTH_FAILURE", "false", "false", "true", "false", "Restart service and scan new QR", "null")},
		{name: "status dropped", now: api.Snapshot{State: api.DisconnectedRecoverable}, path: "/status", headers: []string{cliente}, code: 200, want: status("DISCONNECTED_RECOVERABLE", "false", "false", "false", "true", "Auto-reconnecting - wait", "null")},
		{name: "status logout", now: api.Snapshot{State: api.DisconnectedLogout}, path: "/status", headers: []string{cliente}, code: 200, want: status("DISCONNECTED_LOGOUT", "false", "false", "true", "false", "User logged out - restart and scan QR", "null")},
		{name: "status banned", now: api.Snapshot{State: api.DisconnectedBanned}, path: "/status", headers: []string{cliente}, code: 200, want: status("DISCONNECTED_BANNED", "false", "false", "false", "false", "Number banned - contact WhatsApp support", "null")},
		{name: "status error", now: api.Snapshot{State: api.Error}, path: "/status", headers: []string{cliente}, code: 200, want: status("ERROR", "false", "false", "false", "false", "Technical error - check logs", "null")},

		{name: "qr-code", now: qr, path: "/qr-code", headers: []string{cliente}, code: 200, want: `{"qr":"QR"}`},
		{name: "qr-code not due", now: ready, path: "/qr-code", headers: []string{cliente}, code: 409, want: `{"ok":false,"error":"QR_NOT_REQUIRED","message":"La sesión no requiere QR en este momento","current_state":"READY"}`},
		{name: "qr-code on its way", now: api.Snapshot{State: api.Initializing}, path: "/qr-code", headers: []string{cliente}, code: 404, want: `{"ok":false,"error":"QR_NOT_AVAILABLE","message":"QR no generado todavía. Intenta de nuevo en unos segundos."}`},
		{name: "qr", now: qr, path: "/qr", headers: []string{cliente}, code: 200, want: `{"state":"QR_REQUIRED","expires_in":30,"qr":"QR"}`},
		{name: "qr not due", now: ready, path: "/qr", headers: []string{cliente}, code: 409, want: `{"error":"QR not available","state":"READY","can_send_messages":true}`},
		{name: "qr on its way", now: api.Snapshot{State: api.Initializing}, path: "/qr", headers: []string{cliente}, code: 409, want: `{"error":"QR not available","state":"INITIALIZING","can_send_messages":false}`},

		{name: "connect", now: ready, method: "POST", path: "/connect", headers: []string{cliente}, code: 200, want: `{"success":true,"state":"READY","alreadyConnected":true}`},
		{name: "connect on its way", now: api.Snapshot{State: api.Reconnecting}, method: "POST", path: "/connect", headers: []string{cliente}, code: 200, want: `{"success":true,"state":"RECONNECTING","alreadyConnected":false}`},
		{name: "get connect", path: "/connect", headers: []string{cliente}, code: 404, want: `{"error":true,"code":"NOT_FOUND","message":"Endpoint not found"}`},

		{name: "send", now: ready, method: "POST", path: "/send", headers: []string{cliente}, body: send, code: 200, want: `{"ok":true,"message_id":"3EB0ID"}`},
		{name: "send with its cliente", now: ready, method: "POST", path: "/send", headers: []string{cliente}, body: `{"to":"5491100000002","message":"hola","cliente_id":51}`, code: 200, want: `{"ok":true,"message_id":"3EB0ID"}`},
		{name: "send for another", now: ready, method: "POST", path: "/send", headers: []string{cliente}, body: `{"to":"5491100000002","message":"hola","cliente_id":52}`, code: 400, want: `{"error":true,"code":"INVALID_REQUEST","message":"cliente_id does not match X-Cliente-Id"}`},
		{name: "send without to", now: ready, method: "POST", path: "/send", headers: []string{cliente}, body: `{"message":"hola"}`, code: 400, want: `{"error":true,"code":"INVALID_REQUEST","message":"Missing required fields: to, message"}`},
		{name: "send without message", now: ready, method: "POST", path: "/send", headers: []string{cliente}, body: `{"to":"5491100000002"}`, code: 400, want: `{"error":true,"code":"INVALID_REQUEST","message":"Missing required fields: to, message"}`},
		{name: "send numbers", now: ready, method: "POST", path: "/send", headers: []string{cliente}, body: `{"to":5,"message":7}`, code: 400, want: `{"error":true,"code":"INVALID_REQUEST","message":"Missing required fields: to, message"}`},
		{name: "send no JSON", now: ready, method: "POST", path: "/send", headers: []string{cliente}, body: `hola`, code: 400, want: `{"error":true,"code":"INVALID_REQUEST","message":"Body is not valid JSON"}`},
		{name: "send a list", now: ready, method: "POST", path: "/send", headers: []string{cliente}, body: `[1]`, code: 400, want: `{"error":true,"code":"INVALID_REQUEST","message":"Body is not valid JSON"}`},
		{name: "send bytes", now: ready, method: "POST", path: "/send", headers: []string{cliente}, body: "{\"to\":\"\xff\",\"message\":\"x\"}", code: 400, want: `{"error":true,"code":"INVALID_REQUEST","message":"Body is not valid UTF-8"}`},
		{name: "send not ready", now: qr, method: "POST", path: "/send", headers: []string{cliente}, body: send, code: 409, want: `{"error":true,"code":"SESSION_NOT_READY","message":"WhatsApp session not ready. Current state: QR_REQUIRED"}`},
		{name: "send failed", now: ready, method: "POST", path: "/send", headers: []string{cliente}, body: send, sendErr: errors.New("server returned error 463"), code: 500, want: `{"error":true,"code":"SEND_FAILED","message":"server returned error 463"}`},
		{name: "send to nobody", now: ready, method: "POST", path: "/send", headers: []string{cliente}, body: send, sendErr: api.ErrReachedNobody, code: 500, want: `{"error":true,"code":"SEND_FAILED","message":"Message reached no device of the recipient"}`},
		{name: "send key reused", now: ready, method: "POST", path: "/send", headers: []string{cliente, "Idempotency-Key: k"}, body: send, sendErr: api.ErrKeyReused, code: 422, want: `{"error":true,"code":"IDEMPOTENCY_KEY_REUSED","message":"Idempotency-Key was already used with a different body"}`},
		{name: "send bad key", now: ready, method: "POST", path: "/send", headers: []string{cliente, "Idempotency-Key: ñ"}, body: send, code: 400, want: `{"error":true,"code":"INVALID_REQUEST","message":"Idempotency-Key must be 1 to 255 visible ASCII characters"}`},
		{name: "send store away", now: ready, method: "POST", path: "/send", headers: []string{cliente}, body: send, sendErr: api.ErrStoreUnavailable, code: 503, want: `{"error":true,"code":"STORE_UNAVAILABLE","message":"Credential store unavailable, message not sent - retry"}`},
		{name: "send unknown", now: ready, method: "POST", path: "/send", headers: []string{cliente}, body: send, sendErr: api.ErrUnknownOutcome, code: 504, want: `{"error":true,"code":"OUTCOME_UNKNOWN","message":"WhatsApp did not acknowledge in time - outcome unknown, repeat with the same Idempotency-Key"}`},
		{name: "send invalid recipient", now: ready, method: "POST", path: "/send", headers: []string{cliente}, body: send, sendErr: api.ErrInvalidRecipient, code: 400, want: `{"error":true,"code":"INVALID_RECIPIENT","message":"invalid recipient"}`},

		{name: "hub session", now: ready, path: "/api/session-manager/sessions/sender_51", code: 200, want: `{"instance_id":"sender_51","phone_number":"+5491100000001","status":"connected","qr_status":"used","qr_string":null,"qr_generated_at":null,"qr_expires_at":null,"connected_at":"2026-01-04T12:34:56Z","disconnected_at":null,"last_error_code":null,"last_error_message":null}`},
		{name: "hub session qr", now: qr, path: "/api/session-manager/sessions/sender_51", code: 200, want: `{"instance_id":"sender_51","phone_number":null,"status":"qr_required","qr_status":"generated","qr_string":"QR","qr_generated_at":"2026-01-04T12:34:56Z","qr_expires_at":"` + expires + `","connected_at":null,"disconnected_at":null,"last_error_code":null,"last_error_message":null}`},
		{name: "hub session error", now: api.Snapshot{State: api.Error, LastError: api.ErrorInfo{Code: "X", Message: "why"}}, path: "/api/session-manager/sessions/sender_51", code: 200, want: `{"instance_id":"sender_51","phone_number":null,"status":"error","qr_status":"none","qr_string":null,"qr_generated_at":null,"qr_expires_at":null,"connected_at":null,"disconnected_at":null,"last_error_code":"X","last_error_message":"why"}`},
		{name: "hub session unknown", unknown: true, path: "/api/session-manager/sessions/sender_51", code: 404, want: `{"error":true,"code":"SESSION_NOT_FOUND","message":"Session not found"}`},
		{name: "hub session not a sender", path: "/api/session-manager/sessions/51", code: 404, want: `{"error":true,"code":"SESSION_NOT_FOUND","message":"Session not found"}`},
		{name: "hub qr", now: qr, method: "POST", path: "/api/session-manager/sessions/sender_51/qr", code: 200, want: `{"qr_string":"QR","qr_expires_at":"` + expires + `"}`},
		{name: "hub qr connected", now: ready, renew: api.ErrAlreadyPaired, method: "POST", path: "/api/session-manager/sessions/sender_51/qr", code: 409, want: `{"error":true,"code":"SESSION_ALREADY_CONNECTED","message":"Session is already connected"}`},
		{name: "hub qr failed", now: api.Snapshot{State: api.Error}, renew: errors.New("why"), method: "POST", path: "/api/session-manager/sessions/sender_51/qr", code: 500, want: `{"error":true,"code":"QR_GENERATION_FAILED","message":"why"}`},

		{name: "front", now: ready, path: "/api/whatsapp/51/status", code: 200, want: `{"ok":true,"cliente_id":51,"state":"READY","connected":true,"connecting":false,"needs_qr":false,"can_send_messages":true,"recommended_action":"Session operational - can send messages"}`},
		{name: "front connecting", now: api.Snapshot{State: api.Reconnecting}, path: "/api/whatsapp/51/status", code: 200, want: `{"ok":true,"cliente_id":51,"state":"RECONNECTING","connected":false,"connecting":true,"needs_qr":false,"can_send_messages":false,"recommended_action":"Recovering existing session - wait"}`},
		{name: "front qr", now: qr, path: "/api/whatsapp/51/status", code: 200, want: `{"ok":true,"cliente_id":51,"state":"QR_REQUIRED","connected":false,"connecting":false,"needs_qr":true,"can_send_messages":false,"recommended_action":"Scan QR code to authenticate","qr_code_base64":"QR"}`},
		{name: "front invalid", path: "/api/whatsapp/abc/status", code: 400, want: `{"ok":false,"error":"INVALID_CLIENT_ID","message":"clienteId debe ser un número positivo"}`},

		{name: "health", path: "/health", code: 200, want: `{"status":"ok","service":"session-manager","node":"n1","version":"test","whatsapp":"reachable"}`},
		{name: "livez", path: "/livez", code: 200, want: `{"status":"ok"}`},
		{name: "readyz", path: "/readyz", code: 200, want: `{"status":"ready","node":"n1"}`},
		{name: "owners", path: "/owners/51", code: 200, want: `{"cliente_id":51}`},
		{name: "owners invalid", path: "/owners/x", code: 400, want: `{"error":true,"code":"INVALID_CLIENT_ID","message":"clienteId debe ser un número positivo"}`},
		{name: "cluster", path: "/cluster", code: 200, want: `{"nodes":"some"}`},
		{name: "anything else", path: "/nope", code: 404, want: `{"error":true,"code":"NOT_FOUND","message":"Endpoint not found"}`},
		{name: "another method", method: "POST", path: "/status", headers: []string{cliente}, code: 400, want: ""},
		{name: "get send", path: "/send", headers: []string{cliente}, code: 404, want: `{"error":true,"code":"NOT_FOUND","message":"Endpoint not found"}`},
		{name: "delete", method: "DELETE", path: "/send", headers: []string{cliente}, code: 404, want: `{"error":true,"code":"NOT_FOUND","message":"Endpoint not found"}`},
	} {
		if row.name == "another method" {
			row.code, row.want = 404, `{"error":true,"code":"NOT_FOUND","message":"Endpoint not found"}`
		}
		t.Run(row.name, func(t *testing.T) {
			s := newFakeSession(row.now)
			s.sendErr, s.renew = row.sendErr, row.renew
			w := newWorld()
			w.session, w.known = s, !row.unknown
			w.at[51] = Location{Owner: "n1", Mine: true}
			r := start(t, w, nil)
			method := row.method
			if method == "" {
				method = "GET"
			}
			got := ask(t, method, "http://"+r.public+row.path, row.body, row.headers...)
			if got.code != row.code {
				t.Errorf("code %d, want %d", got.code, row.code)
			}
			body := got.body
			if at := strings.Index(body, "data:image/png;base64,"); at >= 0 {
				url := body[at : at+strings.Index(body[at:], `"`)]
				if scanned := scan(t, url); scanned != "code" {
					t.Errorf("the picture says %q", scanned)
				}
				body = strings.Replace(body, url, "QR", 1)
			}
			body = strings.Replace(body, `"expires_in":29`, `"expires_in":30`, 1) // a second may have passed
			if body != row.want {
				t.Errorf("body\n%s\nwant\n%s", body, row.want)
			}
			if kind := got.header.Get("Content-Type"); !strings.HasPrefix(kind, "application/json") {
				t.Errorf("content type %q", kind)
			}
			if retry := got.header.Get("Retry-After"); (retry != "") != (row.code == 503) {
				t.Errorf("Retry-After %q on a %d", retry, row.code)
			}
		})
	}
}

func TestFaultA11Refusals(t *testing.T) {
	until := time.Now().Add(time.Hour)
	for _, row := range []struct {
		name  string
		err   error
		code  int
		retry string
		want  string
	}{
		{"recipient", &api.Refusal{Code: 463}, 403, "", `"code":"RECIPIENT_REFUSED","message":"WhatsApp does not let this account write to this recipient (463) - the recipient has to write first","retryable":false,"whatsapp_code":463}`},
		{"lock", &api.Refusal{Code: 463, Until: until}, 429, "3599", `"code":"REACHOUT_LOCKED","message":"WhatsApp lets this account begin no new chats for now - wait until the time given","retryable":true,"whatsapp_code":463,"until":"` + until.UTC().Format("2006-01-02T15:04:05.000Z07:00") + `"}`},
		{"rate", &api.Refusal{Code: 429}, 429, "60", `"code":"WHATSAPP_RATE_LIMITED","message":"WhatsApp limits the rate of this account (429) - send more slowly","retryable":true,"whatsapp_code":429}`},
		{"calm down", &api.Refusal{Code: 420}, 429, "60", `"code":"WHATSAPP_RATE_LIMITED","message":"WhatsApp limits the rate of this account (420) - send more slowly","retryable":true,"whatsapp_code":420}`},
		{"another code", &api.Refusal{Code: 479, Message: "refused"}, 422, "", `"code":"SEND_REFUSED","message":"refused","retryable":false,"whatsapp_code":479}`},
		{"unknown number", api.ErrNotOnWhatsApp, 404, "", `"code":"NOT_ON_WHATSAPP","message":"This number is not on WhatsApp - check its country and area code"}`},
		{"unknown group", api.ErrGroupUnknown, 404, "", `"code":"GROUP_UNKNOWN","message":"WhatsApp knows no such group"}`},
		{"group of others", api.ErrNotInGroup, 403, "", `"code":"RECIPIENT_REFUSED","message":"This account is not in the group"}`},
		{"no answer to a query", api.ErrNoAnswer, 503, "1", `"code":"WHATSAPP_UNAVAILABLE","message":"WhatsApp did not answer, message not sent - retry"}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newFakeSession(api.Snapshot{State: api.Ready})
			s.sendErr = fmt.Errorf("wrapped: %w", row.err)
			w := newWorld()
			w.session = s
			w.at[51] = Location{Owner: "n1", Mine: true}
			r := start(t, w, nil)
			got := ask(t, "POST", "http://"+r.public+"/send", `{"to":"5491100000002","message":"hola"}`, cliente)
			if want := `{"error":true,` + row.want; got.code != row.code || got.body != want {
				t.Errorf("%d %s\nwant %d %s", got.code, got.body, row.code, want)
			}
			if retry := got.header.Get("Retry-After"); (retry == "") != (row.retry == "") || len(retry) != len(row.retry) {
				t.Errorf("Retry-After %q, want about %q", retry, row.retry)
			}
		})
	}
}

func status(state, connected, canSend, needsQR, recoverable, action, qr string) string {
	return fmt.Sprintf(`{"cliente_id":51,"connected":%s,"state":"%s","status":"%s","reconnection_attempts":0,"max_reconnection_attempts":3,"can_send_messages":%s,"needs_qr":%s,"is_recoverable":%s,"recommended_action":"%s","qr_code_base64":%s}`,
		connected, state, state, canSend, needsQR, recoverable, action, qr)
}

// scan reads a QR as a camera would: from the picture.
func scan(t *testing.T, url string) string {
	t.Helper()
	png, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(url, "data:image/png;base64,"))
	if err != nil {
		t.Fatal(err)
	}
	picture, _, err := image.Decode(bytes.NewReader(png))
	if err != nil {
		t.Fatal(err)
	}
	bitmap, err := gozxing.NewBinaryBitmapFromImage(picture)
	if err != nil {
		t.Fatal(err)
	}
	result, err := gozxingqr.NewQRCodeReader().Decode(bitmap, nil)
	if err != nil {
		t.Fatal(err)
	}
	return result.GetText()
}

func TestNotReady(t *testing.T) {
	w := newWorld()
	w.ready = errors.New("no lease: etcd http://10.0.0.9:2379: connection refused")
	got := ask(t, "GET", "http://"+start(t, w, nil).public+"/readyz", "")
	if want := `{"error":true,"code":"NOT_READY","message":"no lease: etcd … connection refused"}`; got.code != 503 || got.body != want {
		t.Errorf("%d %s", got.code, got.body)
	}
}

// A send for a session that comes back waits for it.
func TestSendWaitsForReady(t *testing.T) {
	s := newFakeSession(api.Snapshot{State: api.Reconnecting})
	w := newWorld()
	w.session = s
	w.at[51] = Location{Owner: "n1", Mine: true}
	r := start(t, w, nil)
	time.AfterFunc(100*time.Millisecond, func() { s.to(api.Snapshot{State: api.Ready}) })
	if got := ask(t, "POST", "http://"+r.public+"/send", `{"to":"5491100000002","message":"hola"}`, cliente); got.code != 200 {
		t.Errorf("%d %s", got.code, got.body)
	}
	if m := s.messages(); len(m) != 1 || m[0].Key == "" {
		t.Errorf("%+v: want one message, with a key of the router's", m)
	}
}
