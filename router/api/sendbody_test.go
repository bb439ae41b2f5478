package api

import (
	"strings"
	"testing"
)

func TestFaultA12SendBodies(t *testing.T) {
	for _, row := range []struct {
		name, body, to, text, code, message string
	}{
		{name: "as ever", body: `{"to":"5491100000001","message":"hola"}`, to: "5491100000001", text: "hola"},
		{name: "message in another case beside it", body: `{"message":"real","Message":"other","to":"5491100000001"}`, to: "5491100000001", text: "real"},
		{name: "to in another case beside it", body: `{"to":"5491100000001","TO":"5491100000002","message":"m"}`, to: "5491100000001", text: "m"},
		{name: "another case alone", body: `{"To":"5491100000001","message":"m"}`, code: "INVALID_REQUEST", message: missingFields},
		{name: "cliente in another case", body: `{"to":"5491100000001","message":"m","Cliente_ID":52}`, to: "5491100000001", text: "m"},
		{name: "a number is its digits", body: `{"to":5491100000001,"message":"m"}`, to: "5491100000001", text: "m"},
		{name: "no digits: a float", body: `{"to":5491100000001.5,"message":"m"}`, code: "INVALID_REQUEST", message: missingFields},
		{name: "no digits: an exponent", body: `{"to":5.4e12,"message":"m"}`, code: "INVALID_REQUEST", message: missingFields},
		{name: "no digits: negative", body: `{"to":-5491100000001,"message":"m"}`, code: "INVALID_REQUEST", message: missingFields},
		{name: "true", body: `{"to":true,"message":"m"}`, code: "INVALID_REQUEST", message: missingFields},
		{name: "null", body: `null`, code: "INVALID_REQUEST", message: missingFields},
		{name: "longest text", body: `{"to":"5491100000001","message":"` + strings.Repeat("ñ", MaxText) + `"}`, to: "5491100000001", text: strings.Repeat("ñ", MaxText)},
		{name: "text too long", body: `{"to":"5491100000001","message":"` + strings.Repeat("ñ", MaxText+1) + `"}`, code: "TEXT_TOO_LONG", message: "A text has 65536 characters at most"},
		{name: "cliente", body: `{"to":"1234567","message":"m","cliente_id":51}`, to: "1234567", text: "m"},
		{name: "cliente as a float", body: `{"to":"1234567","message":"m","cliente_id":51.0}`, to: "1234567", text: "m"},
		{name: "cliente as a text", body: `{"to":"1234567","message":"m","cliente_id":"51"}`, to: "1234567", text: "m"},
		{name: "cliente null", body: `{"to":"1234567","message":"m","cliente_id":null}`, to: "1234567", text: "m"},
		{name: "another cliente", body: `{"to":"1234567","message":"m","cliente_id":51.5}`, code: "INVALID_REQUEST", message: "cliente_id does not match X-Cliente-Id"},
		{name: "a cliente that is none", body: `{"to":"1234567","message":"m","cliente_id":[51]}`, code: "INVALID_REQUEST", message: "cliente_id does not match X-Cliente-Id"},
		{name: "a byte order mark", body: "\uFEFF" + `{"to":"1234567","message":"m"}`, to: "1234567", text: "m"},
	} {
		t.Run(row.name, func(t *testing.T) {
			to, text, refused := parseSend([]byte(row.body), 51)
			if refused == nil {
				refused = &problem{}
			}
			if to != row.to || text != row.text || refused.code != row.code || refused.message != row.message {
				t.Errorf("got to %q, a text of %d bytes, %s %q", to, len(text), refused.code, refused.message)
			}
		})
	}
}
