package router

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"session-manager/router/api"
)

// raw makes a request of that head and returns the answer's first bytes.
func raw(t *testing.T, address, head string) string {
	t.Helper()
	c := held(t, address, head+"\r\nConnection: close\r\n\r\n", 1)[0]
	answer, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// Pages of elsewhere drive no port that asks for no key, by whatever name they call it, on whatever route.
func TestFaultC3PagesOfElsewhere(t *testing.T) {
	origins := func(c *Config) {
		c.Origins = Origins{Hosts: []string{"app.example"}, Pages: []string{"https://hub.example"}}
	}
	locked, _ := locked(t, origins)
	w := newWorld()
	w.session = newFakeSession(api.Snapshot{State: api.Ready})
	w.at[51] = Location{Owner: "n1", Mine: true}
	open := start(t, w, origins)
	routes := []string{"PUT /drains/node1", "DELETE /owners/51/target", "POST /send", "GET /status", "GET /cluster", "GET /metrics", "GET /", "GET /livez", "GET /health",
		"HEAD /health", "OPTIONS /status", "GET /api/whatsapp/51/status", "GET /nothing"}
	for _, at := range []struct{ name, address string }{{"trusted", locked.trusted}, {"public, no keys", open.public}, {"trusted, no keys", open.trusted}} {
		for _, route := range routes {
			for _, from := range []string{"Host: evil.example\r\nOrigin: http://evil.example", "Host: evil.example:3001", "Host: 127.0.0.1.evil.example", "Host: localhost.",
				"Host: 127.0.0.1:3001\r\nOrigin: http://evil.example", "Host: localhost\r\nOrigin: null", "Host: localhost:3001\r\nOrigin: http://localhost:5173"} {
				got := raw(t, at.address, route+" HTTP/1.1\r\n"+from)
				if !strings.HasPrefix(got, "HTTP/1.1 403") || strings.Contains(got, "Access-Control") {
					t.Errorf("%s: %s, %q: %q", at.name, route, from, got)
				}
			}
		}
		got := raw(t, at.address, "GET http://evil.example/status HTTP/1.1\r\nHost: localhost\r\n"+cliente)
		if !strings.HasPrefix(got, "HTTP/1.1 403") {
			t.Errorf("%s: the URI's name: %q", at.name, got)
		}
		for _, from := range []string{"Host: 10.0.0.5:3002", "Host: session-manager:3002", "Host: localhost", "Host: LOCALHOST:3001", "Host: [::1]:3001", "Host: [::1]", "Host: app.example",
			"Host: 127.0.0.1:3001\r\nOrigin: http://127.0.0.1:3001", "Host: session-manager\r\nOrigin: http://session-manager:80", "Host: x\r\nOrigin: https://hub.example"} {
			if got := raw(t, at.address, "GET /status HTTP/1.1\r\n"+from+"\r\n"+cliente); !strings.HasPrefix(got, "HTTP/1.1 200") {
				t.Errorf("%s: %q: %q", at.name, from, got)
			}
		}
		if got := raw(t, at.address, "GET /readyz HTTP/1.0"); !strings.Contains(got, " 200 ") {
			t.Errorf("%s: a probe that names nobody: %q", at.name, got)
		}
	}
	// Whoever has a key calls by any name.
	if got := raw(t, locked.public, "GET /livez HTTP/1.1\r\nHost: api.example"); !strings.HasPrefix(got, "HTTP/1.1 200") {
		t.Errorf("%q", got)
	}
	if n := len(open.world.orders) + len(locked.world.orders) + len(w.session.(*fakeSession).messages()); n != 0 {
		t.Errorf("%d orders and messages", n)
	}
}

// Pages of origins that were named may call, and are asked for nothing before.
func TestFaultD2NamedOrigins(t *testing.T) {
	r, key := locked(t, func(c *Config) { c.Origins.Pages = []string{"https://hub.example"} })
	for _, at := range []string{r.public, r.trusted} {
		got := ask(t, "OPTIONS", "http://"+at+"/send", "", "Origin: https://hub.example", "Access-Control-Request-Method: POST")
		if got.code != 204 || got.header.Get("Access-Control-Allow-Origin") != "https://hub.example" || got.header.Get("Vary") != "Origin" ||
			!strings.Contains(got.header.Get("Access-Control-Allow-Headers"), "X-Cliente-Id") || !strings.Contains(got.header.Get("Access-Control-Allow-Methods"), "POST") {
			t.Errorf("a preflight: %d %v", got.code, got.header)
		}
		got = ask(t, "GET", "http://"+at+"/status", "", cliente, "X-API-Key: "+key, "Origin: https://hub.example")
		if got.code != 200 || got.header.Get("Access-Control-Allow-Origin") != "https://hub.example" {
			t.Errorf("a request: %d %v", got.code, got.header)
		}
	}
	got := ask(t, "OPTIONS", "http://"+r.public+"/send", "", "Origin: https://evil.example", "Access-Control-Request-Method: POST")
	if got.code < 400 || got.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("another origin: %d %v", got.code, got.header)
	}
}

// What people and programs write is taken for what they mean.
func TestFaultD2Habits(t *testing.T) {
	two := owner(t, nil)
	r := start(t, elsewhere(two.peer), nil)
	for _, at := range []string{two.public, two.trusted, r.public} {
		for _, row := range []struct {
			method, path, body string
			headers            []string
			code               int
		}{
			{"HEAD", "/health", "", nil, 200},
			{"HEAD", "/status", "", []string{cliente}, 200},
			{"HEAD", "/nothing", "", []string{cliente}, 404},
			{"OPTIONS", "/status", "", []string{cliente}, 404},
			{"GET", "/status/", "", []string{cliente}, 200},
			{"GET", "/livez/", "", nil, 200},
			{"GET", "/api/whatsapp/51/status/", "", nil, 200},
			{"GET", "/api/session-manager/sessions/sender_51/", "", nil, 200},
			{"POST", "/send/", body, []string{cliente}, 200},
			{"POST", "/send", "\xef\xbb\xbf" + body, []string{cliente}, 200},
			{"POST", "/send", body, []string{cliente, "Content-Encoding: identity"}, 200},
			{"POST", "/send", body, []string{cliente, "Content-Encoding: gzip"}, 415},
			{"POST", "/send", body, []string{cliente, "Content-Encoding: br, gzip"}, 415},
			{"GET", "/status", "", []string{cliente, "Content-Encoding: gzip"}, 200},
			{"GET", "/status", "", []string{cliente, cliente}, 200},
			{"GET", "/status", "", []string{cliente, "X-Cliente-Id: 52"}, 400},
			{"POST", "/send", body, []string{cliente, "Idempotency-Key: a", "Idempotency-Key: a"}, 200},
			{"POST", "/send", body, []string{cliente, "Idempotency-Key: a", "Idempotency-Key: b"}, 400},
			{"GET", "/status", "", []string{cliente, "X-API-Key: a", "X-API-Key: b"}, 400},
		} {
			got := ask(t, row.method, "http://"+at+row.path, row.body, row.headers...)
			if got.code != row.code {
				t.Errorf("%s %s %q: %d %s, want %d", row.method, row.path, row.headers, got.code, got.body, row.code)
			}
			if row.method == http.MethodHead && (got.body != "" || got.header.Get("Content-Length") == "0") {
				t.Errorf("HEAD %s: %q, length %s", row.path, got.body, got.header.Get("Content-Length"))
			}
		}
	}
}
