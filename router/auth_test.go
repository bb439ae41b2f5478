package router

import (
	"net"
	"path/filepath"
	"strings"
	"testing"

	"session-manager/node/ownership"
	"session-manager/router/api"
	"session-manager/router/keys"
)

// withKeys makes a keys file with a key for all clientes and one for 52 alone.
func withKeys(t *testing.T) (set *keys.File, all, some string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "keys")
	all, err := keys.Make(file, "hub", true, nil)
	if err == nil {
		some, err = keys.Make(file, "front", false, []ownership.Cliente{52})
	}
	if err == nil {
		set, err = keys.Open(file)
	}
	if err != nil {
		t.Fatal(err)
	}
	return set, all, some
}

// Who may do what, with which key, at which port. The callers of this test are on loopback,
// which makes nobody trusted: a proxy on this machine forwards all the world from there.
func TestWhoMayCall(t *testing.T) {
	set, all, some := withKeys(t)
	w := newWorld()
	w.session = newFakeSession(api.Snapshot{State: api.Ready})
	for _, c := range []ownership.Cliente{51, 52} {
		w.at[c] = Location{Owner: "n1", Mine: true}
	}
	r := start(t, w, func(c *Config) { c.Keys = set })
	spoofed := []string{"X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1", "Forwarded: for=127.0.0.1", "Host: 127.0.0.1",
		"X-Session-Peer: x", "X-Session-Forwarded: n2"}
	for _, row := range []struct {
		name    string
		at      string
		method  string
		path    string
		headers []string
		code    int
		answer  string // code of an error; "": any body
	}{
		{"no key", r.public, "GET", "/status", []string{"X-Cliente-Id: 51"}, 401, "UNAUTHORIZED"},
		{"a wrong key", r.public, "GET", "/status", []string{"X-Cliente-Id: 51", "X-API-Key: smk_wrong"}, 401, "UNAUTHORIZED"},
		{"an empty key", r.public, "GET", "/status", []string{"X-Cliente-Id: 51", "X-API-Key: "}, 401, "UNAUTHORIZED"},
		{"no key, sending", r.public, "POST", "/send", []string{"X-Cliente-Id: 51"}, 401, "UNAUTHORIZED"},
		{"no key, an invalid cliente", r.public, "GET", "/status", []string{"X-Cliente-Id: abc"}, 401, "UNAUTHORIZED"},
		{"no key, an unknown path", r.public, "GET", "/nothing", nil, 401, "UNAUTHORIZED"},
		{"no key, operator", r.public, "GET", "/cluster", nil, 401, "UNAUTHORIZED"},
		{"no key, order", r.public, "PUT", "/drains/n1", nil, 401, "UNAUTHORIZED"},
		{"no key, spoofed origin", r.public, "GET", "/status", append(spoofed, "X-Cliente-Id: 51"), 401, "UNAUTHORIZED"},
		{"no key, spoofed origin, operator", r.public, "GET", "/metrics", spoofed, 401, "UNAUTHORIZED"},
		{"a probe needs none", r.public, "GET", "/readyz", nil, 200, ""},
		{"key for all", r.public, "GET", "/status", []string{"X-Cliente-Id: 51", "X-API-Key: " + all}, 200, ""},
		{"key for all, as bearer", r.public, "GET", "/status", []string{"X-Cliente-Id: 51", "Authorization: Bearer " + all}, 200, ""},
		{"key for all, operator", r.public, "GET", "/cluster", []string{"X-API-Key: " + all}, 200, ""},
		{"key for 52", r.public, "GET", "/status", []string{"X-Cliente-Id: 52", "X-API-Key: " + some}, 200, ""},
		{"key for 52, asking 51", r.public, "GET", "/status", []string{"X-Cliente-Id: 51", "X-API-Key: " + some}, 403, "FORBIDDEN"},
		{"key for 52, spoofed origin", r.public, "GET", "/status", append(spoofed, "X-Cliente-Id: 51", "X-API-Key: "+some), 403, "FORBIDDEN"},
		{"key for 52, hub's route of 51", r.public, "GET", "/api/session-manager/sessions/sender_51", []string{"X-API-Key: " + some}, 403, "FORBIDDEN"},
		{"key for 52, two clientes", r.public, "GET", "/status", []string{"X-Cliente-Id: 52", "X-Cliente-Id: 51", "X-API-Key: " + some}, 400, "INVALID_HEADER"},
		{"key for 52, operator", r.public, "GET", "/cluster", []string{"X-API-Key: " + some}, 403, "FORBIDDEN"},
		{"key for 52, order", r.public, "PUT", "/drains/n1", []string{"X-API-Key: " + some}, 403, "FORBIDDEN"},
		{"trusted port, no key", r.trusted, "GET", "/status", []string{"X-Cliente-Id: 51"}, 200, ""},
		{"trusted port, sending", r.trusted, "POST", "/send", []string{"X-Cliente-Id: 51"}, 200, ""},
		{"trusted port, operator", r.trusted, "GET", "/cluster", nil, 200, ""},
		{"trusted port, a wrong key", r.trusted, "GET", "/status", []string{"X-Cliente-Id: 51", "X-API-Key: smk_wrong"}, 200, ""},
		{"trusted port, an invalid cliente", r.trusted, "GET", "/status", []string{"X-Cliente-Id: abc"}, 400, "INVALID_HEADER"},
	} {
		t.Run(row.name, func(t *testing.T) {
			text := ""
			if row.method == "POST" {
				text = body
			}
			got := ask(t, row.method, "http://"+row.at+row.path, text, row.headers...)
			if got.code != row.code || row.answer != "" && !strings.Contains(got.body, `"code":"`+row.answer+`"`) {
				t.Errorf("%d %s, want %d %s", got.code, got.body, row.code, row.answer)
			}
			if (got.code == 401) != (got.header.Get("WWW-Authenticate") != "") {
				t.Errorf("%d with WWW-Authenticate %q", got.code, got.header.Get("WWW-Authenticate"))
			}
		})
	}
}

// Keys are enforced by the first node, and go no further than that.
func TestKeysStayAtTheFirstNode(t *testing.T) {
	set, all, some := withKeys(t)
	seen := make(chan string, 10)
	r := start(t, elsewhere(reading(t, seen)), func(c *Config) { c.Keys = set })
	if got := ask(t, "GET", "http://"+r.public+"/status", "", cliente, "X-API-Key: "+some); got.code != 403 || len(seen) != 0 {
		t.Errorf("%d, and %d requests were forwarded", got.code, len(seen))
	}
	for _, header := range []string{"X-API-Key: " + all, "Authorization: Bearer " + all} {
		if got := ask(t, "GET", "http://"+r.public+"/status", "", cliente, header); got.code != 200 {
			t.Errorf("%d %s", got.code, got.body)
		}
		if request := <-seen; strings.Contains(request, all) || !strings.Contains(request, "X-Session-Forwarded: n1") {
			t.Errorf("forwarded %q", request)
		}
	}
}

// reading is a peer that tells what it reads, and answers 200.
func reading(t *testing.T, seen chan<- string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			buf := make([]byte, 4096)
			n, _ := c.Read(buf)
			seen <- string(buf[:n])
			respond("200 OK")(c)
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}
