package router

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"session-manager/node/ownership"
	"session-manager/router/api"
	"session-manager/router/keys"
)

// locked is a router that owns clientes 51 and 52, with a key for 51 and a cluster secret.
func locked(t *testing.T, change func(*Config)) (r *running, key string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys")
	key, err := keys.Make(path, "hub", false, []ownership.Cliente{51})
	if err != nil {
		t.Fatal(err)
	}
	file, err := keys.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld()
	w.session = newFakeSession(api.Snapshot{State: api.Ready})
	w.at[51], w.at[52] = Location{Owner: "n1", Mine: true}, Location{Owner: "n1", Mine: true}
	return start(t, w, func(c *Config) {
		c.Keys, c.Peers = file, proving(c.Node, "s")
		if change != nil {
			change(c)
		}
	}), key
}

// held writes the text on connections that stand until the test ends, each by itself.
func held(t *testing.T, address, text string, count int) []net.Conn {
	t.Helper()
	conns := make([]net.Conn, count)
	for i := range conns {
		c, err := net.DialTimeout("tcp", address, 20*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_ = c.SetDeadline(time.Now().Add(30 * time.Second))
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		conns[i] = c
	}
	return conns
}

// took is what is alive in memory now.
func took() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// Callers who have shown no key, or need none, are believed no length: what they declare takes no memory.
func TestFaultC1DeclaredBodiesTakeNoMemory(t *testing.T) {
	const (
		count = 200
		most  = count * 48 << 10 // both ends are in this process
	)
	r, key := locked(t, func(c *Config) { c.Limits.Read = 30 * time.Second })
	length := "Content-Length: 1048576\r\n\r\n{"
	post := "POST /send HTTP/1.1\r\nHost: x\r\nX-Cliente-Id: 51\r\n"
	for _, row := range []struct{ name, address, text, want string }{
		{"public", r.public, post + length, "401"},
		{"public, a key of another cliente", r.public, "POST /send HTTP/1.1\r\nHost: x\r\nX-Cliente-Id: 52\r\nX-API-Key: " + key + "\r\n" + length, "403"},
		{"public, chunks", r.public, post + "Transfer-Encoding: chunked\r\n\r\n100000\r\n{", "401"},
		{"public, on a GET", r.public, "GET /status HTTP/1.1\r\nHost: x\r\nX-Cliente-Id: 51\r\n" + length, "401"},
		{"public, asking first", r.public, post + "Expect: 100-continue\r\n" + length, "401"},
		{"public, after a probe", r.public, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" + post + length, "200"},
		{"public, a slow head", r.public, post + "X-Slow: " + strings.Repeat("a", 1000), ""},
		{"public, nothing", r.public, "", ""},
		{"trusted", r.trusted, post + length, ""},
		{"trusted, chunks", r.trusted, post + "Transfer-Encoding: chunked\r\n\r\n100000\r\n{", ""},
		{"peer", r.peer, post + length, "403"},
		{"peer, asking first", r.peer, post + "Expect: 100-continue\r\n" + length, "403"},
	} {
		t.Run(row.name, func(t *testing.T) {
			before := took()
			conns := held(t, row.address, row.text, count)
			if row.want == "" {
				time.Sleep(100 * time.Millisecond) // until it was read; a slow machine has used less by then
			}
			for i, c := range conns {
				answer := make([]byte, 12)
				if row.want == "" {
					break
				}
				if _, err := io.ReadFull(c, answer); err != nil || string(answer) != "HTTP/1.1 "+row.want {
					t.Fatalf("connection %d: %q, %v", i, answer, err)
				}
			}
			if more := took() - before; more > most {
				t.Errorf("%d connections take %d KB, want %d at most", count, more>>10, most>>10)
			}
			for _, c := range conns {
				_ = c.Close()
			}
		})
	}
}

// What bodies take in all is bounded: who comes too late may come again. Small ones still pass.
func TestFaultC1BodiesInFlightAreBounded(t *testing.T) {
	r, _ := locked(t, func(c *Config) { c.Limits.Bodies, c.Limits.Body, c.Limits.Read = 1<<20, 1<<20, 20*time.Second })
	head := "POST /send HTTP/1.1\r\nHost: x\r\nX-Cliente-Id: 51\r\nContent-Length: 200000\r\n\r\n"
	conns := held(t, r.trusted, head+strings.Repeat(" ", 150000), 10)
	eventually(t, "the bound is reached", func() bool { return r.bodies.left.Load() < 128<<10 })
	answer := make([]byte, 4096)
	n, err := held(t, r.trusted, head+strings.Repeat(" ", 200000), 1)[0].Read(answer)
	if got := string(answer[:n]); err != nil || !strings.HasPrefix(got, "HTTP/1.1 503") || !strings.Contains(got, "Retry-After: ") || !strings.Contains(got, "SERVER_BUSY") {
		t.Errorf("one more: %q, %v", got, err)
	}
	if got := ask(t, "POST", "http://"+r.trusted+"/send", body, cliente); got.code != 200 {
		t.Errorf("a small one: %d %s", got.code, got.body)
	}
	for _, c := range conns {
		_ = c.Close()
	}
	eventually(t, "all is given back", func() bool { return r.bodies.left.Load() == 1<<20 })
}

// A body that ends before its length is no request.
func TestBodyCutOff(t *testing.T) {
	w := newWorld()
	session := newFakeSession(api.Snapshot{State: api.Ready})
	w.session = session
	w.at[51] = Location{Owner: "n1", Mine: true}
	r := start(t, w, nil)
	for _, text := range []string{
		fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body)+1, body),
		fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(body), body),
	} {
		c := held(t, r.public, "POST /send HTTP/1.1\r\nHost: x\r\nX-Cliente-Id: 51\r\n"+text, 1)[0]
		_ = c.(*net.TCPConn).CloseWrite()
		answer, _ := io.ReadAll(c)
		if !strings.HasPrefix(string(answer), "HTTP/1.1 400") || len(session.messages()) > 0 {
			t.Errorf("%q: %q, sent %v", text, answer, session.messages())
		}
	}
}

// What comes after the chunks is no header: not of the first node, and not of the owner.
func TestFaultC7TrailersAreDropped(t *testing.T) {
	two := owner(t, nil)
	r, key := locked(t, nil)
	one := start(t, elsewhere(two.peer), nil)
	one.streams.tried[two.peer] = time.Now().Add(time.Hour) // never a stream: the head goes on
	for _, row := range []struct{ name, address, head, trailer, want, key string }{
		{"a key", r.public, cliente, "X-API-Key: " + key, "401", ""},
		{"a cliente", r.trusted, "X-A: b", "X-Cliente-Id: 51", "400", ""},
		{"another cliente", r.trusted, cliente, "X-Cliente-Id: 52", "200", ""},
		{"announced", r.trusted, cliente + "\r\nTrailer: Idempotency-Key, X-Cliente-Id", "Idempotency-Key: late\r\nX-Cliente-Id: 52", "200", ""},
		{"one that is forbidden", r.trusted, cliente, "Authorization: Bearer " + key, "200", ""},
		{"forwarded", one.public, cliente + "\r\nIdempotency-Key: early", "Idempotency-Key: late\r\nX-Cliente-Id: 52\r\nX-Any: thing", "200", "early"},
		{"at the peer port", two.peer, cliente, "Idempotency-Key: late\r\nX-Session-Peer: x", "200", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := held(t, row.address, fmt.Sprintf("POST /send HTTP/1.1\r\nHost: x\r\n%s\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n%s\r\n\r\n",
				row.head, len(body), body, row.trailer), 1)[0]
			answer := make([]byte, 12)
			if _, err := io.ReadFull(c, answer); err != nil || string(answer) != "HTTP/1.1 "+row.want {
				t.Fatalf("%q, %v, want %s", answer, err, row.want)
			}
		})
	}
	for _, at := range []*running{r, two} {
		for _, m := range at.world.session.(*fakeSession).messages() {
			if m.Key == "late" {
				t.Errorf("a key from a trailer: %+v", m)
			}
		}
	}
	if m := two.world.session.(*fakeSession).messages(); len(m) != 2 || m[0].Key != "early" {
		t.Errorf("the owner was asked for %+v", m)
	}
}
