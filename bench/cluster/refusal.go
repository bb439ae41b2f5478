package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
)

// Refusal is an answer other than 200.
type Refusal struct {
	Call    string // method and path
	Status  int    // of HTTP
	Code    string // "code", else "error" where it is a text
	Message string
	State   string // of the session, where the answer tells
}

func (e *Refusal) Error() string {
	text := fmt.Sprintf("%s: %d", e.Call, e.Status)
	for _, word := range []string{e.Code, e.State, e.Message} {
		if word != "" {
			text += " " + word
		}
	}
	return text
}

// NotCarriedOut says whether err promises that the request did nothing, so that any may be
// repeated: 503, or no connection.
func NotCarriedOut(err error) bool {
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return refusal.Status == http.StatusServiceUnavailable
	}
	return isDialError(err)
}

func isDialError(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// refusal reads the several shapes of the contract's errors.
func refusal(r request, status int, raw []byte) *Refusal {
	e := &Refusal{Call: r.method + " " + r.path, Status: status}
	var body struct {
		Error         any    `json:"error"`
		Code, Message string `json:",omitempty"`
		State         string `json:"state"`
		Current       string `json:"current_state"`
	}
	if err := json.Unmarshal(raw, &body); err != nil {
		e.Message = strings.TrimSpace(string(raw[:min(len(raw), 200)]))
		return e
	}
	e.Code, e.Message, e.State = body.Code, body.Message, body.State+body.Current
	if text, ok := body.Error.(string); ok && e.Code == "" {
		e.Code = text
	}
	return e
}
