package router

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"session-manager/router/api"
)

// Malformed, oversized and slow HTTP gets a clear 4xx in JSON.
func TestHostileHTTP(t *testing.T) {
	w := newWorld()
	w.session = newFakeSession(api.Snapshot{State: api.Ready})
	w.at[51] = Location{Owner: "n1", Mine: true}
	r := start(t, w, func(c *Config) { c.Limits.Read, c.Limits.Body = 300*time.Millisecond, 4096 })
	head := "POST /send HTTP/1.1\r\nHost: x\r\nX-Cliente-Id: 51\r\n"
	for name, row := range map[string]struct{ request, want string }{
		"garbage":               {"\x16\x03\x01\x02\x00\x01\r\n\r\n", "400"},
		"no version":            {"GET\r\n\r\n", "400"},
		"header too large":      {"GET /status HTTP/1.1\r\nHost: x\r\nX-Big: " + strings.Repeat("a", 64<<10) + "\r\n\r\n", "431"},
		"body too large":        {head + "Content-Length: 5000\r\n\r\n" + strings.Repeat("a", 5000), "413"},
		"absurd content length": {head + "Content-Length: 99999999999999\r\n\r\n", "4"},
		"negative length":       {head + "Content-Length: -1\r\n\r\n", "400"},
		"chunked garbage":       {head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", "400"},
		"chunked too large":     {head + "Transfer-Encoding: chunked\r\n\r\nffff\r\n" + strings.Repeat("a", 0xffff) + "\r\n0\r\n\r\n", "413"},
		"slow header":           {"GET /status HTTP/1.1\r\nHost: x\r\nX-Cli", "408"},
		"slow body":             {head + "Content-Length: 100\r\n\r\n{", "408"},
		"null in the path":      {"GET /sta\x00tus HTTP/1.1\r\nHost: x\r\n\r\n", "4"},
		"path traversal":        {"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", "404"},
		"unknown method":        {"BREW /status HTTP/1.1\r\nHost: x\r\n\r\n", "404"},
		"body on a status":      {"GET /status HTTP/1.1\r\nHost: x\r\nX-Cliente-Id: 51\r\nContent-Length: 2\r\n\r\n{}", "200"},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", r.public)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			go func() { _, _ = io.WriteString(conn, row.request) }()
			buf := make([]byte, 4096)
			n, err := conn.Read(buf)
			answer := string(buf[:n])
			if !strings.HasPrefix(answer, "HTTP/1.1 "+row.want) {
				t.Fatalf("%q (%v), want %s", answer, err, row.want)
			}
			if !strings.Contains(answer, "application/json") {
				t.Errorf("not JSON: %q", answer)
			}
		})
	}
	if got := ask(t, "GET", "http://"+r.public+"/status", "", cliente); got.code != 200 {
		t.Errorf("after all that: %d", got.code)
	}
}

// A panic in a session's code is one 500.
func TestPanicIsOneAnswer(t *testing.T) {
	w := newWorld() // its session is nil
	w.at[51] = Location{Owner: "n1", Mine: true}
	r := start(t, w, nil)
	got := ask(t, "GET", "http://"+r.public+"/status", "", cliente)
	if want := `{"error":true,"code":"INTERNAL_ERROR","message":"Internal error"}`; got.code != 500 || got.body != want {
		t.Errorf("%d %s", got.code, got.body)
	} else if got.header.Get(headerRequestID) == "" {
		t.Errorf("no name: %v", got.header)
	}
	if got := raw(t, r.public, "HEAD /status HTTP/1.1\r\nHost: x\r\n"+cliente); !strings.HasPrefix(got, "HTTP/1.1 500") || !strings.Contains(got, "Connection: close") {
		t.Errorf("HEAD: %q", got)
	}
	if got := ask(t, "GET", "http://"+r.public+"/livez", ""); got.code != 200 {
		t.Errorf("the process: %d", got.code)
	}
}
