package router

import (
	"strings"
	"testing"

	"session-manager/router/api"
)

// The newest hub's own page calls these three without naming a cliente.
func TestFaultD6DefaultCliente(t *testing.T) {
	s := newFakeSession(api.Snapshot{State: api.QRRequired, QR: "code"})
	w := newWorld()
	w.session = s
	w.at[51] = Location{Owner: "n1", Mine: true}
	r := start(t, w, func(c *Config) { c.DefaultCliente = 51 })
	for _, call := range []struct{ method, path, want string }{
		{"GET", "/status", `"state":"QR_REQUIRED","status":"QR_REQUIRED"`},
		{"GET", "/qr-code", `{"qr":"data:image/png;base64,`},
		{"POST", "/connect", `{"success":true,"state":"QR_REQUIRED","alreadyConnected":false}`},
	} {
		if got := ask(t, call.method, "http://"+r.public+call.path, ""); got.code != 200 || !strings.Contains(got.body, call.want) {
			t.Errorf("%s: %d %s", call.path, got.code, got.body)
		}
	}
	// Who names a cliente means that one.
	if got := ask(t, "GET", "http://"+r.public+"/status", "", "X-Cliente-Id: 51x"); got.code != 400 {
		t.Errorf("a header that is wrong: %d %s", got.code, got.body)
	}
	without := start(t, w, nil)
	if got := ask(t, "GET", "http://"+without.public+"/status", ""); got.code != 400 || !strings.Contains(got.body, "MISSING_HEADER") {
		t.Errorf("without a default: %d %s", got.code, got.body)
	}
}

func TestFaultD6PageForABrowser(t *testing.T) {
	browser := "Accept: text/html,application/xhtml+xml,*/*;q=0.8"
	s := newFakeSession(api.Snapshot{State: api.Initializing})
	w := newWorld()
	w.session = s
	w.at[51] = Location{Owner: "n1", Mine: true}
	r := start(t, w, nil)
	for _, step := range []struct {
		now  api.Snapshot
		want string
	}{
		{api.Snapshot{State: api.Initializing}, "Please wait"},
		{api.Snapshot{State: api.QRRequired, QR: "code"}, `<img src="data:image/png;base64,`},
		{api.Snapshot{State: api.Ready}, "Connected"},
	} {
		s.to(step.now)
		got := ask(t, "GET", "http://"+r.public+"/qr-code", "", cliente, browser)
		if got.code != 200 || !strings.Contains(got.body, step.want) || !strings.HasPrefix(got.header.Get("Content-Type"), "text/html") ||
			got.header.Get("Cache-Control") != "no-store" || !strings.Contains(got.header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: %d %v %s", step.now.State, got.code, got.header, got.body)
		}
	}
	if got := ask(t, "GET", "http://"+r.public+"/qr-code", "", "X-Cliente-Id: 0", browser); got.code != 400 || !strings.Contains(got.body, "INVALID_HEADER") {
		t.Errorf("a refusal: %d %s", got.code, got.body)
	}
	if got := ask(t, "GET", "http://"+r.public+"/qr-code", "", cliente); got.code != 409 || !strings.Contains(got.body, "QR_NOT_REQUIRED") {
		t.Errorf("a program: %d %s", got.code, got.body)
	}
}
