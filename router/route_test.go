package router

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"session-manager/router/api"
	"session-manager/router/peer"
)

// elsewhere is a world whose cliente 51 is at another node's peer address.
func elsewhere(address string) *world {
	w := newWorld()
	w.at[51] = Location{Owner: "n2", Address: address, Placement: "n2", PlacementAddress: address}
	return w
}

// owner is a router that owns cliente 51.
func owner(t *testing.T, change func(*Config)) *running {
	w := newWorld()
	w.session = newFakeSession(api.Snapshot{State: api.Ready})
	w.at[51] = Location{Owner: "n2", Mine: true}
	return start(t, w, func(c *Config) {
		c.Node = "n2"
		if change != nil {
			change(c)
		}
	})
}

const body = `{"to":"5491100000002","message":"hola"}`

func TestForwardToTheOwner(t *testing.T) {
	two := owner(t, nil)
	one := start(t, elsewhere(two.peer), nil)
	got := ask(t, "POST", "http://"+one.public+"/send", body, cliente, "Idempotency-Key: mine", "X-Session-Owner: forged")
	if got.code != 200 || got.body != `{"ok":true,"message_id":"3EB0ID"}` {
		t.Errorf("%d %s", got.code, got.body)
	}
	if got.header.Get("X-Session-Owner") != "n2" || got.header.Get("X-Session-Epoch") != "1.7" {
		t.Errorf("headers %v", got.header)
	}
	if m := two.world.session.(*fakeSession).messages(); len(m) != 1 || m[0].Key != "mine" || m[0].Text != "hola" {
		t.Errorf("%+v", m)
	}
}

// What WhatsApp refuses is an answer, by whichever way it comes, and not another node's refusal of this one.
func TestFaultA11RefusalsComeThroughAnyNode(t *testing.T) {
	two := owner(t, nil)
	session := two.world.session.(*fakeSession)
	one := start(t, elsewhere(two.peer), nil)
	codes := map[error]int{api.ErrNotInGroup: 403, &api.Refusal{Code: 463}: 403, &api.Refusal{Code: 429}: 429, &api.Refusal{Code: 479}: 422, api.ErrNotOnWhatsApp: 404}
	for _, way := range []string{"by HTTP", "by a stream"} {
		for err, code := range codes {
			session.mu.Lock()
			session.sendErr, session.sent = err, nil
			session.mu.Unlock()
			got := ask(t, "POST", "http://"+one.public+"/send", body, cliente)
			if got.code != code || len(session.messages()) != 1 {
				t.Errorf("%s: %v: %d %s, tried %d times", way, err, got.code, got.body, len(session.messages()))
			}
		}
		eventually(t, "a stream", func() bool { return one.streams.to(two.peer) != nil })
	}
	// The release before takes each 403 for a refusal of itself, and tries again.
	session.mu.Lock()
	session.sendErr = api.ErrNotInGroup
	session.mu.Unlock()
	if got := ask(t, "POST", "http://"+two.peer+"/send", body, cliente); got.code != 422 || !strings.Contains(got.body, "RECIPIENT_REFUSED") {
		t.Errorf("to a node of the release before: %d %s", got.code, got.body)
	}
}

func TestNotTheOwnerDoesNothing(t *testing.T) {
	w := newWorld()
	w.session = newFakeSession(api.Snapshot{State: api.Ready})
	w.at[51] = Location{Owner: "n3", Address: "127.0.0.1:1"}
	two := start(t, w, nil)
	got := ask(t, "POST", "http://"+two.peer+"/send", body, cliente)
	if got.code != 421 || got.header.Get("X-Session-Owner") != "n3" {
		t.Errorf("%d %s, owner %q", got.code, got.body, got.header.Get("X-Session-Owner"))
	}
	if w.asked != 0 {
		t.Error("a session was asked for")
	}
}

// stub is a peer that treats its n-th connection as told, the last instruction for ever.
func stub(t *testing.T, treat ...func(net.Conn)) (address string, count *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	count = new(atomic.Int64)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n := int(count.Add(1))
			go func() {
				defer c.Close()
				_, _ = c.Read(make([]byte, 4096))
				treat[min(n, len(treat))-1](c)
			}()
		}
	}()
	return l.Addr().String(), count
}

func respond(text string) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = fmt.Fprintf(c, "HTTP/1.1 %s\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}", text)
	}
}

func hangUp(net.Conn) {}

func silence(c net.Conn) {
	buf := make([]byte, 1)
	for {
		if _, err := c.Read(buf); err != nil {
			return
		}
	}
}

// The retry table, row by row.
func TestRetryTable(t *testing.T) {
	for _, row := range []struct {
		name    string
		treat   []func(net.Conn)
		method  string
		path    string
		code    int
		tries   int64 // at least
		exactly bool
	}{
		{name: "421 then served", treat: []func(net.Conn){respond("421 Misdirected"), respond("200 OK")}, path: "/status", code: 200, tries: 2},
		{name: "421 then served, POST", treat: []func(net.Conn){respond("421 Misdirected"), respond("200 OK")}, method: "POST", path: "/send", code: 200, tries: 2},
		{name: "503 not started", treat: []func(net.Conn){respond("503 Busy\r\nX-Session-Not-Started: 1"), respond("200 OK")}, method: "POST", path: "/send", code: 200, tries: 2},
		{name: "503 of the contract", treat: []func(net.Conn){respond("503 Busy")}, method: "POST", path: "/send", code: 503, tries: 1, exactly: true},
		{name: "lost after bytes, GET", treat: []func(net.Conn){hangUp, respond("200 OK")}, path: "/status", code: 200, tries: 2},
		{name: "lost after bytes, POST with a key", treat: []func(net.Conn){hangUp, respond("200 OK")}, method: "POST", path: "/send", code: 200, tries: 2},
		{name: "always 421", treat: []func(net.Conn){respond("421 Misdirected")}, path: "/status", code: 503, tries: 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			address, count := stub(t, row.treat...)
			r := start(t, elsewhere(address), func(c *Config) {
				if c.Limits.Answer = 20 * time.Second; row.code == 503 && !row.exactly {
					c.Limits.Answer = time.Second // it is tried until the end
				}
			})
			method, text := row.method, body
			if method == "" {
				method, text = "GET", ""
			}
			got := ask(t, method, "http://"+r.public+row.path, text, cliente)
			if got.code != row.code {
				t.Errorf("%d %s, want %d", got.code, got.body, row.code)
			}
			if n := count.Load(); n < row.tries || row.exactly && n != row.tries {
				t.Errorf("%d tries, want %d", n, row.tries)
			}
		})
	}
}

func TestTimeoutIsNeverTriedAgain(t *testing.T) {
	address, count := stub(t, silence)
	r := start(t, elsewhere(address), func(c *Config) { c.Limits.Answer = 300 * time.Millisecond })
	got := ask(t, "POST", "http://"+r.public+"/send", body, cliente)
	if got.code != 504 || !strings.Contains(got.body, "OUTCOME_UNKNOWN") {
		t.Errorf("%d %s", got.code, got.body)
	}
	if count.Load() != 1 {
		t.Errorf("%d tries", count.Load())
	}
}

// While a cliente moves, requests wait; they follow it as soon as the directory knows.
func TestRequestsFollowAMove(t *testing.T) {
	two := owner(t, nil)
	w := elsewhere("127.0.0.1:1") // nobody listens there any more
	one := start(t, w, nil)
	begun := time.Now()
	time.AfterFunc(150*time.Millisecond, func() {
		w.move(51, Location{Owner: "n2", Address: two.peer})
	})
	if got := ask(t, "POST", "http://"+one.public+"/send", body, cliente); got.code != 200 {
		t.Errorf("%d %s", got.code, got.body)
	}
	if took := time.Since(begun); took < 100*time.Millisecond {
		t.Errorf("answered after %v, before there was an owner", took)
	}
}

func TestNoOwnerInTime(t *testing.T) {
	r := start(t, newWorld(), func(c *Config) { c.Limits.Answer = 200 * time.Millisecond })
	got := ask(t, "GET", "http://"+r.public+"/status", "", cliente)
	if got.code != 503 || got.header.Get("Retry-After") == "" ||
		!strings.HasPrefix(got.body, `{"error":true,"code":"OWNER_UNAVAILABLE","message":"`) {
		t.Errorf("%d %s", got.code, got.body)
	}
}

// Where waiting does not help, what can be had elsewhere is still had, and the rest is answered
// at once with the cause.
func TestNobodyWaitsInVain(t *testing.T) {
	two := owner(t, nil)
	for name, c := range map[string]struct {
		at     Location
		method string
		code   int
		says   string
	}{
		"nobody to ask":     {Location{}, "GET", 503, "no lease: etcd is away"},
		"nobody answers":    {Location{Owner: "n2", Address: "127.0.0.1:1"}, "POST", 503, "no lease: etcd is away"},
		"the owner answers": {Location{Owner: "n2", Address: two.peer}, "POST", 200, "3EB0ID"},
	} {
		w := newWorld()
		w.at[51] = c.at
		w.vain = errors.New("no lease: etcd is away")
		r := start(t, w, nil)
		path, text := "/status", ""
		if c.method == "POST" {
			path, text = "/send", body
		}
		begun := time.Now()
		got := ask(t, c.method, "http://"+r.public+path, text, cliente)
		if got.code != c.code || !strings.Contains(got.body, c.says) || (got.header.Get("Retry-After") != "") != (c.code == 503) {
			t.Errorf("%s: %d %s %v", name, got.code, got.body, got.header)
		}
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("%s: answered after %v", name, took)
		}
	}
}

// A send that was lost on its way may have been carried out, whatever becomes of it afterwards.
func TestLostSendIsNeverCalledSafe(t *testing.T) {
	address, _ := stub(t, hangUp, respond("421 Misdirected"))
	r := start(t, elsewhere(address), func(c *Config) { c.Limits.Answer = 300 * time.Millisecond })
	if got := ask(t, "POST", "http://"+r.public+"/send", body, cliente); got.code != 504 || got.header.Get("Retry-After") != "" {
		t.Errorf("%d %s", got.code, got.body)
	}
}

func TestWaitingIsBounded(t *testing.T) {
	r := start(t, newWorld(), func(c *Config) { c.Limits.Answer, c.Limits.Waiting = 3*time.Second, 1 })
	first := make(chan answer, 1)
	go func() { first <- ask(t, "GET", "http://"+r.public+"/status", "", cliente) }()
	for deadline := time.Now().Add(20 * time.Second); r.waiting.Load() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nobody waits")
		}
	}
	if got := ask(t, "GET", "http://"+r.public+"/status", "", cliente); got.code != 503 || len(first) > 0 {
		t.Errorf("the second: %d, the first answered before: %v", got.code, len(first) > 0)
	}
	if got := <-first; got.code != 503 {
		t.Errorf("the first: %d", got.code)
	}
}

// A send that finds its session gone goes to the next owner, under the same key.
func TestSendMovesOn(t *testing.T) {
	two := owner(t, nil)
	s := newFakeSession(api.Snapshot{State: api.Ready})
	s.sendErr = fmt.Errorf("fenced: %w", api.ErrMoved)
	w := newWorld()
	w.session = s
	w.at[51] = Location{Owner: "n1", Mine: true}
	s.onSend = func() { w.move(51, Location{Owner: "n2", Address: two.peer}) }
	one := start(t, w, nil)
	if got := ask(t, "POST", "http://"+one.public+"/send", body, cliente); got.code != 200 {
		t.Errorf("%d %s", got.code, got.body)
	}
	first, second := s.messages(), two.world.session.(*fakeSession).messages()
	if len(first) != 1 || len(second) != 1 || first[0].Key == "" || first[0].Key != second[0].Key {
		t.Errorf("keys: %+v, then %+v", first, second)
	}
}

func TestPeersProveThemselves(t *testing.T) {
	var log lines
	two := owner(t, func(c *Config) { c.Peers, c.Log = proving(c.Node, "s"), slog.New(slog.NewTextHandler(&log, nil)) })
	friend := start(t, elsewhere(two.peer), func(c *Config) { c.Peers = proving(c.Node, "s", peer.Other{Name: "n2", Address: two.peer, Wire: 1}) })
	if got := ask(t, "GET", "http://"+friend.public+"/status", "", cliente); got.code != 200 {
		t.Errorf("a node with the secret: %d %s", got.code, got.body)
	}
	stranger := start(t, elsewhere(two.peer), func(c *Config) {
		c.Peers = proving(c.Node, "x", peer.Other{Name: "n2", Address: two.peer, Wire: 1})
		c.Limits.Answer = 200 * time.Millisecond
	})
	if got := ask(t, "GET", "http://"+stranger.public+"/status", "", cliente); got.code != 503 {
		t.Errorf("a node with another secret: %d %s", got.code, got.body)
	}
	// The side that was asked says so, too.
	metrics := ask(t, "GET", "http://"+two.public+"/metrics", "").body
	if strings.Contains(metrics, "session_manager_peers_refused_total 0") || strings.Count(log.String(), "the peer port refuses") != 1 {
		t.Errorf("%s\n%s", metrics, log.String())
	}
	if got := ask(t, "GET", "http://"+two.peer+"/status", "", cliente); got.code != 403 {
		t.Errorf("a stranger at the peer port: %d %s", got.code, got.body)
	}
}

// A node that leaves still answers, and has its callers connect anew: elsewhere, by a load balancer.
func TestLeavingClosesCallersConnections(t *testing.T) {
	r := start(t, newWorld(), nil)
	for _, leaves := range []bool{false, true} {
		if leaves {
			r.Leave()
		}
		for address, closes := range map[string]bool{r.public: leaves, r.peer: false} {
			response, err := http.Get("http://" + address + "/livez")
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if response.StatusCode != http.StatusOK || response.Close != closes {
				t.Errorf("leaves %v: %d, closes %v, want %v", leaves, response.StatusCode, response.Close, closes)
			}
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// A node that stands still is gone in the end: what was sent to it is tried again elsewhere.
func TestRequestToANodeThatIsGone(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	came := make(chan net.Conn, 1)
	go func() {
		for {
			c, err := silent.Accept()
			if err != nil {
				return
			}
			came <- c
		}
	}()
	successor := owner(t, nil)
	w := elsewhere(silent.Addr().String())
	r := start(t, w, nil)
	done := make(chan answer, 1)
	go func() { done <- ask(t, "GET", "http://"+r.public+"/status", "", "X-Cliente-Id: 51") }()
	c := <-came
	defer c.Close()
	if _, err := c.Read(make([]byte, 1)); err != nil { // the request is there
		t.Fatal(err)
	}
	w.move(51, Location{Owner: "n1", Address: successor.peer})
	r.Forsake(silent.Addr().String())
	select {
	case got := <-done:
		if got.code != 200 {
			t.Errorf("%d %s", got.code, got.body)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("still waits")
	}
	if r.peers.conns[silent.Addr().String()] != nil {
		t.Error("the connection is still booked")
	}
}
