package emulator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Control drives an emulator in another process by its control API. Its operations are those
// of Emulator. It is safe for concurrent use.
type Control struct {
	base string
	http *http.Client
}

// Dial is the control of the emulator at baseURL, such as http://127.0.0.1:4000. It connects
// at the first call.
func Dial(baseURL string) *Control {
	return &Control{base: strings.TrimRight(baseURL, "/"), http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}}
}

// Close frees idle connections.
func (c *Control) Close() { c.http.CloseIdleConnections() }

// ControlError is an answer other than 2xx.
type ControlError struct {
	Call   string
	Status int
	Text   string
}

func (e *ControlError) Error() string {
	return fmt.Sprintf("emulator: %s: %d: %s", e.Call, e.Status, e.Text)
}

// Is lets errors.Is match the sentinels of this package by status.
func (e *ControlError) Is(target error) bool {
	switch target {
	case ErrBadInput:
		return e.Status == http.StatusBadRequest
	case ErrNotFound:
		return e.Status == http.StatusNotFound
	case ErrConflict:
		return e.Status == http.StatusConflict
	case ErrPairing:
		return e.Status == http.StatusBadGateway
	}
	return false
}

// About tells the websocket's address and the root key.
func (c *Control) About(ctx context.Context) (out About, err error) {
	err = c.call(ctx, http.MethodGet, "/", nil, &out)
	return out, err
}

// AddPhone puts a phone on WhatsApp and returns its JID; forms are other national forms of its number.
func (c *Control) AddPhone(ctx context.Context, number, name string, forms ...string) (string, error) {
	var out struct{ JID string }
	err := c.call(ctx, http.MethodPost, "/phones", map[string]any{"number": number, "name": name, "forms": forms}, &out)
	return out.JID, err
}

// Scan has a phone scan a code (data URL of a PNG, or text) and returns the new device.
func (c *Control) Scan(ctx context.Context, number, code string) (string, error) {
	var out struct{ Device string }
	err := c.call(ctx, http.MethodPost, phonePath(number, "scan"), map[string]string{"qr": code}, &out)
	return out.Device, err
}

// Link links devices without a QR code: for load tests that need thousands.
func (c *Control) Link(ctx context.Context, devices []Linking) ([]Linked, error) {
	var out struct{ Devices []Linked }
	err := c.call(ctx, http.MethodPost, "/devices", map[string]any{"devices": devices}, &out)
	return out.Devices, err
}

// Unlink has a phone remove a linked device.
func (c *Control) Unlink(ctx context.Context, number, device string) error {
	return c.call(ctx, http.MethodPost, phonePath(number, "unlink"), map[string]string{"device": device}, nil)
}

// SendMessage has a phone write to an account and returns the message's ID.
func (c *Control) SendMessage(ctx context.Context, number, to, text string) (string, error) {
	var out struct{ ID string }
	err := c.call(ctx, http.MethodPost, phonePath(number, "messages"), map[string]string{"to": to, "text": text}, &out)
	return out.ID, err
}

// Write has a phone send a text, under an ID that may be chosen.
func (c *Control) Write(ctx context.Context, number string, w Writing) (string, error) {
	return c.write(ctx, number, "messages", w)
}

// React has a phone react to a message.
func (c *Control) React(ctx context.Context, number string, w Writing) (string, error) {
	return c.write(ctx, number, "react", w)
}

// Edit has a phone change a text of its own.
func (c *Control) Edit(ctx context.Context, number string, w Writing) (string, error) {
	return c.write(ctx, number, "edit", w)
}

// Revoke has a phone delete a message for everyone.
func (c *Control) Revoke(ctx context.Context, number string, w Writing) (string, error) {
	return c.write(ctx, number, "revoke", w)
}

func (c *Control) write(ctx context.Context, number, what string, w Writing) (string, error) {
	var out struct{ ID string }
	err := c.call(ctx, http.MethodPost, phonePath(number, what), w, &out)
	return out.ID, err
}

// Reinstall has a phone installed anew; tell says whether its contacts are told.
func (c *Control) Reinstall(ctx context.Context, number string, tell bool) error {
	return c.call(ctx, http.MethodPost, phonePath(number, "reinstall"), map[string]bool{"tell": tell}, nil)
}

// ForgetSessions has a phone lose its Signal sessions.
func (c *Control) ForgetSessions(ctx context.Context, number string) error {
	return c.call(ctx, http.MethodPost, phonePath(number, "forget"), nil, nil)
}

// Inbox is what a phone has received.
func (c *Control) Inbox(ctx context.Context, number string) (out []Message, err error) {
	err = c.call(ctx, http.MethodGet, phonePath(number, "inbox"), nil, &out)
	return out, err
}

// Sent is what a phone's linked devices have sent.
func (c *Control) Sent(ctx context.Context, number string) (out []SentCopy, err error) {
	err = c.call(ctx, http.MethodGet, phonePath(number, "sent"), nil, &out)
	return out, err
}

// AddGroup makes a group and returns its JID.
func (c *Control) AddGroup(ctx context.Context, subject string, numbers []string) (string, error) {
	var out struct{ JID string }
	err := c.call(ctx, http.MethodPost, "/groups", map[string]any{"subject": subject, "members": numbers}, &out)
	return out.JID, err
}

// Devices lists all linked devices.
func (c *Control) Devices(ctx context.Context) (out []DeviceInfo, err error) {
	err = c.call(ctx, http.MethodGet, "/devices", nil, &out)
	return out, err
}

// Events returns the events after number since.
func (c *Control) Events(ctx context.Context, since int64) (out []Event, err error) {
	err = c.call(ctx, http.MethodGet, "/events?since="+strconv.FormatInt(since, 10), nil, &out)
	return out, err
}

// Stats returns the referee's counters.
func (c *Control) Stats(ctx context.Context) (out Stats, err error) {
	err = c.call(ctx, http.MethodGet, "/stats", nil, &out)
	return out, err
}

// SendStanza sends a raw stanza to an account's devices.
func (c *Control) SendStanza(ctx context.Context, raw RawStanza) (out StanzaSent, err error) {
	err = c.call(ctx, http.MethodPost, "/stanza", raw, &out)
	return out, err
}

// SetFault orders a fault.
func (c *Control) SetFault(ctx context.Context, f Fault) error {
	return c.call(ctx, http.MethodPost, "/faults", f, nil)
}

// ClearFaults ends all faults.
func (c *Control) ClearFaults(ctx context.Context) error {
	return c.call(ctx, http.MethodDelete, "/faults", nil, nil)
}

func phonePath(number, what string) string { return "/phones/" + url.PathEscape(number) + "/" + what }

func (c *Control) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("emulator: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		var refusal struct{ Error string }
		_ = json.NewDecoder(io.LimitReader(resp.Body, maxBody)).Decode(&refusal)
		return &ControlError{Call: method + " " + path, Status: resp.StatusCode, Text: refusal.Error}
	}
	if out == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	return json.NewDecoder(resp.Body).Decode(out)
}
