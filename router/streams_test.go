package router

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"session-manager/bench/ca"
	"session-manager/router/api"
)

// eventually waits for what another goroutine will have done in a moment.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not in 20 s", what)
		}
	}
}

// streaming is a router whose cliente 51 is at another, to which it has a stream.
func streaming(t *testing.T, to *running, change func(*Config)) *running {
	t.Helper()
	r := start(t, elsewhere(to.peer), change)
	if got := ask(t, "GET", "http://"+r.public+"/status", "", cliente); got.code != 200 {
		t.Fatalf("%d %s", got.code, got.body)
	}
	eventually(t, "a stream stands", func() bool { return r.streams.to(to.peer) != nil })
	return r
}

// sticky makes sends at an owner wait until release, or the end of the test.
func sticky(t *testing.T, at *running) (release func()) {
	stuck := make(chan struct{})
	at.world.session.(*fakeSession).onSend = func() { <-stuck }
	release = sync.OnceFunc(func() { close(stuck) })
	t.Cleanup(release)
	return release
}

// By a stream, callers are told what they are told by HTTP, to the byte, and so is the owner.
func TestStreamIsAsHTTP(t *testing.T) {
	two := owner(t, nil)
	r := streaming(t, two, nil)
	plain := start(t, elsewhere(two.peer), nil)
	plain.streams.tried[two.peer] = time.Now().Add(time.Hour) // never a stream
	for name, request := range map[string]string{
		"status":    string(hotRequests["status"]),
		"send":      string(hotRequests["send"]),
		"no JSON":   "POST /send HTTP/1.1\r\nHost: lb\r\nX-Cliente-Id: 51\r\nContent-Length: 1\r\n\r\n{",
		"QR":        "GET /qr HTTP/1.1\r\nHost: lb\r\nX-Cliente-Id: 51\r\n\r\n",
		"hub":       "GET /api/session-manager/sessions/sender_51 HTTP/1.1\r\nHost: lb\r\n\r\n",
		"front":     "GET /api/whatsapp/51/status HTTP/1.1\r\nHost: lb\r\n\r\n",
		"an error":  "GET /status HTTP/1.1\r\nHost: lb\r\nX-Cliente-Id: 51\r\n\r\n",
		"too large": "POST /send HTTP/1.1\r\nHost: lb\r\nX-Cliente-Id: 51\r\nContent-Length: 70000\r\n\r\n" + strings.Repeat(" ", 70000),
	} {
		if name == "an error" {
			two.world.session.(*fakeSession).to(api.Snapshot{State: api.Error, LastError: api.ErrorInfo{Code: "CODE", Message: "what went wrong"}})
		}
		byStream, byHTTP := said(t, r.public, request), said(t, plain.public, request)
		if byStream != byHTTP {
			t.Errorf("%s: by a stream\n%q\nby HTTP\n%q", name, byStream, byHTTP)
		}
		if name == "an error" {
			if !strings.Contains(byStream, "X-Session-Error: CODE: what went wrong\r\n") {
				t.Errorf("%q", byStream)
			}
			two.world.session.(*fakeSession).to(api.Snapshot{State: api.Ready})
		}
	}
	if plain.streams.to(two.peer) != nil {
		t.Error("the plain one has a stream too")
	}
	for i, m := range two.world.session.(*fakeSession).messages() {
		if m.Key != "order-7" || m.Text != "hola" {
			t.Errorf("message %d: %+v", i, m)
		}
	}
}

// Many callers at once get their own answers; a slow one keeps nobody waiting.
func TestCallersOfAStream(t *testing.T) {
	two := owner(t, nil)
	release := sticky(t, two)
	r := streaming(t, two, nil)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if got := ask(t, "POST", "http://"+r.public+"/send", body, cliente); got.code != 200 || got.body != `{"ok":true,"message_id":"3EB0ID"}` {
				t.Errorf("%d %s", got.code, got.body)
			}
		})
	}
	eventually(t, "all sends are at the owner", func() bool { return len(two.world.session.(*fakeSession).messages()) == 20 })
	for range 20 {
		if got := ask(t, "GET", "http://"+r.public+"/status", "", cliente); got.code != 200 || got.body != statusAnswer {
			t.Errorf("%d %s", got.code, got.body)
		}
	}
	release()
	all.Wait()
}

// A cliente that has moved is asked for where it is.
func TestStreamToAFormerOwner(t *testing.T) {
	two, three := owner(t, nil), owner(t, func(c *Config) { c.Node = "n3" })
	r := streaming(t, two, nil)
	two.world.move(51, Location{Owner: "n3", Address: three.peer})
	time.AfterFunc(100*time.Millisecond, func() { r.world.move(51, Location{Owner: "n3", Address: three.peer}) })
	if got := ask(t, "POST", "http://"+r.public+"/send", body, cliente); got.code != 200 || got.header.Get("X-Session-Owner") != "n3" {
		t.Errorf("%d %s %v", got.code, got.body, got.header)
	}
	if m := two.world.session.(*fakeSession).messages(); len(m) != 0 {
		t.Errorf("the former owner has sent %+v", m)
	}
}

// A node that is gone takes its stream with it; what was sent by that is tried again elsewhere,
// under the same key.
func TestStreamToANodeThatIsGone(t *testing.T) {
	two, three := owner(t, nil), owner(t, func(c *Config) { c.Node = "n3" })
	sticky(t, two)
	r := streaming(t, two, nil)
	done := make(chan answer, 1)
	go func() { done <- ask(t, "POST", "http://"+r.public+"/send", body, cliente) }()
	eventually(t, "the send is at the owner", func() bool { return len(two.world.session.(*fakeSession).messages()) == 1 })
	r.world.move(51, Location{Owner: "n3", Address: three.peer})
	r.Forsake(two.peer)
	if got := <-done; got.code != 200 || got.header.Get("X-Session-Owner") != "n3" {
		t.Errorf("%d %s", got.code, got.body)
	}
	first, second := two.world.session.(*fakeSession).messages(), three.world.session.(*fakeSession).messages()
	if len(second) != 1 || first[0].Key == "" || first[0].Key != second[0].Key {
		t.Errorf("%+v, then %+v", first, second)
	}
	eventually(t, "the stream is gone", func() bool { return r.streams.to(two.peer) == nil })
}

// What is not answered in time is 504 and never tried again, and its late answer nobody else's.
func TestStreamTimesOut(t *testing.T) {
	two := owner(t, nil)
	release := sticky(t, two)
	r := streaming(t, two, func(c *Config) { c.Limits.Answer = time.Second })
	if got := ask(t, "POST", "http://"+r.public+"/send", body, cliente); got.code != 504 || !strings.Contains(got.body, "OUTCOME_UNKNOWN") {
		t.Errorf("%d %s", got.code, got.body)
	}
	release()
	for range 100 {
		if got := ask(t, "GET", "http://"+r.public+"/status", "", cliente); got.code != 200 || got.body != statusAnswer {
			t.Fatalf("%d %s", got.code, got.body)
		}
	}
	if n := len(two.world.session.(*fakeSession).messages()); n != 1 {
		t.Errorf("%d sends", n)
	}
}

// A panic stays within its request.
func TestPanicOnAStream(t *testing.T) {
	two := owner(t, nil)
	two.world.session.(*fakeSession).onSend = func() { panic("on purpose") }
	r := streaming(t, two, nil)
	if got := ask(t, "POST", "http://"+r.public+"/send", body, cliente); got.code != 500 {
		t.Errorf("%d %s", got.code, got.body)
	}
	if got := ask(t, "GET", "http://"+r.public+"/status", "", cliente); got.code != 200 || r.streams.to(two.peer) == nil {
		t.Errorf("%d %s, and the stream: %v", got.code, got.body, r.streams.to(two.peer))
	}
}

// A node that drains answers what it was asked before its end.
func TestStreamIsServedToTheLast(t *testing.T) {
	two := owner(t, nil)
	release := sticky(t, two)
	r := streaming(t, two, nil)
	done := make(chan answer, 1)
	go func() { done <- ask(t, "POST", "http://"+r.public+"/send", body, cliente) }()
	eventually(t, "the send is at the owner", func() bool { return len(two.world.session.(*fakeSession).messages()) == 1 })
	ended := make(chan error, 1)
	go func() { ended <- two.Shutdown(t.Context()) }()
	eventually(t, "the owner takes no more", func() bool {
		two.streamed.mu.Lock()
		defer two.streamed.mu.Unlock()
		return two.streamed.closed
	})
	release()
	if got := <-done; got.code != 200 {
		t.Errorf("%d %s", got.code, got.body)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	eventually(t, "the stream is gone", func() bool { return r.streams.to(two.peer) == nil })
}

// A request that does not end keeps no node from ending: it is given up in time.
func TestShutdownDoesNotWaitForEver(t *testing.T) {
	two := owner(t, nil)
	sticky(t, two)
	r := streaming(t, two, nil)
	done := make(chan answer, 1)
	go func() {
		done <- ask(t, "POST", "http://"+r.public+"/send", body, cliente, "Idempotency-Key: mine")
	}()
	eventually(t, "the send is at the owner", func() bool { return len(two.world.session.(*fakeSession).messages()) == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := two.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	three := owner(t, func(c *Config) { c.Node = "n3" })
	r.world.move(51, Location{Owner: "n3", Address: three.peer})
	r.Forsake(two.peer)
	if got := <-done; got.code != 200 || got.header.Get("X-Session-Owner") != "n3" {
		t.Errorf("%d %s", got.code, got.body)
	}
}

// Streams are for nodes of this cluster, by TLS where there is any.
func TestStreamsAreForNodes(t *testing.T) {
	a := ca.New(t)
	r := streaming(t, secureOwner(t, sideOf(t, a, a)), func(c *Config) { c.PeerTLS = sideOf(t, a, a).client })
	if got := ask(t, "GET", "http://"+r.public+"/status", "", cliente); got.code != 200 {
		t.Errorf("%d %s", got.code, got.body)
	}
	two := owner(t, func(c *Config) { c.Peers = proving(c.Node, "s") })
	stranger := start(t, newWorld(), nil)
	if _, err := stranger.streams.open(two.peer); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("a stranger's stream: %v", err)
	}
	if got := ask(t, "GET", "http://"+two.public+streamPath, ""); got.code != 404 {
		t.Errorf("a caller's stream: %d", got.code)
	}
}

// Nonsense ends a stream, and nothing else.
func TestHostileStream(t *testing.T) {
	two := owner(t, nil)
	head := func(route, cliente, key, id byte) string {
		return "\x00\x00\x00\x0f\x00\x00\x00\x01" + string([]byte{route, 0, 0, 0, 0, 0, 0, 0, cliente, 0, 0, 9, 9, key, id})
	}
	for name, text := range map[string]string{
		"too long":         "\xff\xff\xff\xff\x00\x00\x00\x01",
		"too short":        "\x00\x00\x00\x01\x00\x00\x00\x01x",
		"no such cliente":  head(0, 0, 0, 0),
		"key beyond frame": head(0, 51, 1, 0),
		"ID beyond frame":  head(0, 51, 0, 1),
	} {
		to, err := two.streams.open(two.peer)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := to.conn.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		_ = to.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		if b, err := to.in.ReadByte(); err == nil || strings.Contains(err.Error(), "timeout") {
			t.Errorf("%s: %q, %v", name, b, err)
		}
		_ = to.conn.Close()
	}
	// A route of a later release is refused by itself.
	to, err := two.streams.open(two.peer)
	if err != nil {
		t.Fatal(err)
	}
	defer to.conn.Close()
	_ = to.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	for _, row := range []struct{ route, status uint16 }{{99, 404}, {uint16(api.Status), 200}} {
		if _, err := to.conn.Write([]byte(head(byte(row.route), 51, 0, 0))); err != nil {
			t.Fatal(err)
		}
		number, length, err := readHead(to.in, 1<<20)
		if err != nil || number != 1 {
			t.Fatal(number, err)
		}
		answer, err := readRest(to.in, length, nil)
		if err != nil || binary.BigEndian.Uint16(answer) != row.status {
			t.Errorf("route %d: %q, %v", row.route, answer, err)
		}
	}
}

// A node that says nothing of streams, or of others, is asked by HTTP.
func TestNoStreamToOtherReleases(t *testing.T) {
	for _, offer := range []string{"", "X-Session-Streams: 0\r\n", "X-Session-Streams: 12\r\n"} {
		address, count := stub(t, respond("200 OK\r\n"+strings.TrimSuffix(offer, "\r\n")+map[bool]string{true: "X: y"}[offer == ""]))
		r := start(t, elsewhere(address), nil)
		for range 3 {
			if got := ask(t, "GET", "http://"+r.public+"/status", "", cliente); got.code != 200 || got.header.Get(headerStreams) != "" {
				t.Errorf("%q: %d %v", offer, got.code, got.header)
			}
		}
		r.streams.mu.Lock()
		tried := len(r.streams.tried)
		r.streams.mu.Unlock()
		if n := count.Load(); n != 3 || tried != 0 {
			t.Errorf("%q: %d connections, %d tries", offer, n, tried)
		}
	}
}

// What was not written when the connection ended was not sent; what was, may have been.
func TestLostStream(t *testing.T) {
	near, far := net.Pipe()
	s := newStream(near, bufio.NewReader(near), 1000)
	running := make(chan struct{})
	go func() { defer close(running); s.run() }()
	results := make(chan error, 2)
	askOne := func() {
		results <- s.ask(newCall().(*call), asked{target: target{api.Status, 51}}, time.Now().Add(5*time.Second))
	}
	go askOne()
	if _, err := far.Read(make([]byte, 1)); err != nil { // the first is being written, and goes no further
		t.Fatal(err)
	}
	go askOne()
	eventually(t, "the second is queued", func() bool {
		s.out.mu.Lock()
		defer s.out.mu.Unlock()
		return len(s.out.queued) > 0
	})
	_ = far.Close()
	got := map[error]int{}
	got[<-results]++
	got[<-results]++
	if got[errLost] != 1 || got[errUnsent] != 1 {
		t.Errorf("%v", got)
	}
	<-running
	if err := s.ask(newCall().(*call), asked{}, time.Now().Add(time.Second)); err != errNoStream {
		t.Errorf("after the end: %v", err)
	}
}

// A call that nobody answers ends at its deadline, in whatever order they have them.
func TestCallsEndAtTheirDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		s := newStream(near, bufio.NewReader(near), 1000)
		var work, calls sync.WaitGroup
		work.Go(s.run)
		work.Go(func() { _, _ = io.Copy(io.Discard, far) })
		begun := time.Now()
		for _, after := range []time.Duration{20, 50, 10, 10, 0, 30, -5} {
			calls.Go(func() {
				err := s.ask(newCall().(*call), asked{target: target{api.Status, 51}}, begun.Add(after*time.Second))
				if took := time.Since(begun); err != errOverdue || took != max(after, 0)*time.Second {
					t.Errorf("%v after %v, want %v after %d s", err, took, errOverdue, after)
				}
			})
		}
		calls.Wait()
		s.mu.Lock()
		if !s.due.IsZero() || len(s.waiting) > 0 {
			t.Errorf("%d calls wait until %v", len(s.waiting), s.due)
		}
		s.mu.Unlock()
		_ = far.Close()
		work.Wait()
	})
}

// A stream takes so many calls and no more.
func TestFullStream(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	defer near.Close()
	s := newStream(near, bufio.NewReader(near), 1000)
	defer s.end(0)
	for range mostCalls {
		if _, _, ok := s.book(newCall().(*call), time.Now().Add(time.Minute)); !ok {
			t.Fatal("it is full too early")
		}
	}
	if _, _, ok := s.book(newCall().(*call), time.Now().Add(time.Minute)); ok {
		t.Error("it takes one too many")
	}
	o := newOutbox(near)
	o.queued = make([]byte, mostQueued+1)
	if _, ok := o.add(true, func(b []byte) []byte { return b }); ok {
		t.Error("more bytes are queued than may be")
	}
}
