package api

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"session-manager/node/ownership"
)

// MaxText is how many characters a text may have: a phone refuses to send a longer one.
const MaxText = 65536

const missingFields = "Missing required fields: to, message"

// ByteOrderMark is what some programs put before their UTF-8; JSON has none.
var ByteOrderMark = []byte("\uFEFF")

// problem is why a body is refused with 400.
type problem struct{ code, message string }

func invalid(message string) *problem { return &problem{"INVALID_REQUEST", message} }

// parseSend reads the body of POST /send. Its keys are exact: "Message" is not "message". A recipient
// that is a number is taken for its digits.
func parseSend(body []byte, c ownership.Cliente) (to, text string, refused *problem) {
	if !utf8.Valid(body) {
		return "", "", invalid("Body is not valid UTF-8")
	}
	// A map, as the fields of a struct would match keys in any case.
	var in map[string]json.RawMessage
	if err := json.Unmarshal(bytes.TrimPrefix(body, ByteOrderMark), &in); err != nil {
		return "", "", invalid("Body is not valid JSON")
	}
	to, toOK := digitsOrText(in["to"])
	var message any
	_ = json.Unmarshal(in["message"], &message)
	text, textOK := message.(string)
	if !toOK || !textOK || strings.TrimSpace(to) == "" || text == "" {
		return "", "", invalid(missingFields)
	}
	if named, ok := in["cliente_id"]; ok && !names(named, c) {
		return "", "", invalid("cliente_id does not match X-Cliente-Id")
	}
	if utf8.RuneCountInString(text) > MaxText {
		return "", "", &problem{"TEXT_TOO_LONG", "A text has 65536 characters at most"}
	}
	return to, text, nil
}

// digitsOrText is a JSON text, or an integer as it is written.
func digitsOrText(raw json.RawMessage) (string, bool) {
	var value any
	if json.Unmarshal(raw, &value) != nil {
		return "", false
	}
	switch v := value.(type) {
	case string:
		return v, true
	case float64:
		return string(raw), strings.Trim(string(raw), "0123456789") == ""
	}
	return "", false
}

// names says whether a body's cliente_id is the cliente: null, or the number, as 51, 51.0 or "51".
func names(raw json.RawMessage, c ownership.Cliente) bool {
	text := strings.Trim(string(raw), `"`)
	number, err := strconv.ParseFloat(text, 64) // exact, as a cliente has 53 bits at most
	return text == "null" || text == "" || err == nil && number == float64(c)
}

func (p *problem) refuse(ctx *fasthttp.RequestCtx) {
	Refuse(ctx, fasthttp.StatusBadRequest, p.code, p.message)
}
