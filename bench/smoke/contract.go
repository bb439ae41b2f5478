package smoke

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// exchange is a request of cliente 1, which is paired, and what the contract says of its answer.
type exchange struct {
	name         string
	method, path string
	cliente      string // header X-Cliente-Id; "": none
	noAPIKey     bool
	key          string // header Idempotency-Key
	body         string
	status       int
	want         map[string]any // fields of the answer; nil for one that is there with any value
	only         func(*smoke) bool
}

// exchanges are what the contract settles for one cluster behind a load balancer; the answers
// of a single node have tests of their own. They are made in this order.
var exchanges = []exchange{
	{name: "health", method: "GET", path: "/health", noAPIKey: true, status: 200, want: map[string]any{"status": "ok", "service": "session-manager"}},
	{name: "no API key", method: "GET", path: "/status", cliente: "1", noAPIKey: true, status: 401,
		only: func(s *smoke) bool { return s.APIKey != "" }},
	{name: "no header", method: "GET", path: "/status", status: 400, want: map[string]any{"error": true, "code": "MISSING_HEADER"}},
	{name: "bad header", method: "GET", path: "/status", cliente: "51abc", status: 400, want: map[string]any{"error": true, "code": "INVALID_HEADER"}},
	{name: "unknown path", method: "GET", path: "/nowhere", cliente: "1", status: 404, want: map[string]any{"error": true, "code": "NOT_FOUND"}},
	{name: "status", method: "GET", path: "/status", cliente: "1", status: 200, want: map[string]any{
		"cliente_id": 1.0, "connected": true, "state": "READY", "reconnection_attempts": nil, "max_reconnection_attempts": 3.0,
		"can_send_messages": true, "needs_qr": false, "is_recoverable": false,
		"recommended_action": "Session operational - can send messages", "qr_code_base64": nil}},
	{name: "QR code of a paired cliente", method: "GET", path: "/qr-code", cliente: "1", status: 409,
		want: map[string]any{"ok": false, "error": "QR_NOT_REQUIRED", "current_state": "READY"}},
	{name: "QR of a paired cliente", method: "GET", path: "/qr", cliente: "1", status: 409, want: map[string]any{"state": "READY", "can_send_messages": true}},
	{name: "front-end's status", method: "GET", path: "/api/whatsapp/1/status", status: 200, want: map[string]any{"ok": true, "cliente_id": 1.0, "state": "READY"}},
	{name: "hub's session", method: "GET", path: "/api/session-manager/sessions/sender_1", status: 200, want: map[string]any{"instance_id": "sender_1", "status": "connected"}},
	{name: "send that is not JSON", method: "POST", path: "/send", cliente: "1", body: "{", status: 400},
	{name: "send to nobody", method: "POST", path: "/send", cliente: "1", body: `{"message":"hola"}`, status: 400, want: map[string]any{"code": "INVALID_REQUEST"}},
	{name: "send for another", method: "POST", path: "/send", cliente: "1", body: `{"to":"` + friend + `","message":"hola","cliente_id":2}`, status: 400},
}

// contract holds the cluster's answers against the contract, through the load balancer.
func (s *smoke) contract(ctx context.Context) error {
	made := 0
	for _, e := range exchanges {
		if e.only != nil && !e.only(s) {
			continue
		}
		if _, err := s.exchange(ctx, e); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
		made++
	}
	if err := s.idempotency(ctx); err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "contract: %d answers as written, and a key stands for one message\n", made)
	return nil
}

// idempotency sends twice under one key, and then something else. Any node may be asked each time.
func (s *smoke) idempotency(ctx context.Context) error {
	send := exchange{name: "send", method: "POST", path: "/send", cliente: "1", key: "smoke-contract", status: 200,
		body: `{"to":"` + friend + `","message":"smoke contract"}`, want: map[string]any{"ok": true, "message_id": nil}}
	first, err := s.exchange(ctx, send)
	if err != nil {
		return fmt.Errorf("send with a key: %w", err)
	}
	again, err := s.exchange(ctx, send)
	if err != nil {
		return fmt.Errorf("send with the same key: %w", err)
	}
	if first["message_id"] != again["message_id"] || first["message_id"] == "" {
		return fmt.Errorf("one key, two messages: %v and %v", first["message_id"], again["message_id"])
	}
	send.body, send.status, send.want = `{"to":"`+friend+`","message":"something else"}`, http.StatusUnprocessableEntity, nil
	if _, err := s.exchange(ctx, send); err != nil {
		return fmt.Errorf("same key, other body: %w", err)
	}
	return nil
}

// exchange makes a request and returns the answer's fields, or what is wrong with them.
func (s *smoke) exchange(ctx context.Context, e exchange) (map[string]any, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second) // the callers' clock
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, e.method, strings.TrimRight(s.URL, "/")+e.path, strings.NewReader(e.body))
	if err != nil {
		return nil, err
	}
	for header, value := range map[string]string{"X-Cliente-Id": e.cliente, "Idempotency-Key": e.key, "X-API-Key": s.APIKey} {
		if value != "" && (header != "X-API-Key" || !e.noAPIKey) {
			request.Header.Set(header, value)
		}
	}
	if e.body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != e.status {
		return nil, fmt.Errorf("%s %s answers %d, want %d: %s", e.method, e.path, response.StatusCode, e.status, raw)
	}
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", e.method, e.path, err, raw)
	}
	for name, want := range e.want {
		if got, ok := fields[name]; !ok || want != nil && got != want {
			return nil, fmt.Errorf("%s %s: %s is %v, want %v: %s", e.method, e.path, name, got, want, raw)
		}
	}
	return fields, nil
}
