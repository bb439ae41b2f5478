package router

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"session-manager/bench/ca"
	"session-manager/node/keyless"
	"session-manager/router/api"
)

func (s *fakeSession) tolds() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.told)
}

// sent are the keys of what was sent.
func (s *fakeSession) keys() (list []string) {
	for _, m := range s.messages() {
		list = append(list, m.Key)
	}
	return list
}

const toldBody = `{"to":"5491100000001","message":"hola"}`

// Once the answer to a send without a key has been written, its owner hears of it, wherever it is.
func TestFaultA3TheOwnerIsTold(t *testing.T) {
	session := newFakeSession(api.Snapshot{State: api.Ready})
	here, there := newWorld(), newWorld()
	here.session, there.session = newFakeSession(api.Snapshot{}), session
	owner := start(t, there, nil)
	first := start(t, here, nil)
	there.move(51, Location{Owner: "n2", Mine: true})
	here.move(51, Location{Owner: "n2", Address: owner.peer})
	for i, base := range []string{owner.public, first.public, first.public, first.public} { // the first forward is by HTTP, the last by a stream
		if i == 3 {
			eventually(t, "a stream", func() bool { return first.streams.to(owner.peer) != nil })
		}
		a := ask(t, http.MethodPost, "http://"+base+"/send", toldBody, "X-Cliente-Id: 51")
		if a.code != 200 || a.header.Get(api.HeaderTell) != "" {
			t.Fatalf("%+v", a)
		}
		eventually(t, fmt.Sprint("word of send ", i), func() bool { return len(session.tolds()) == i+1 })
	}
	if keys := session.keys(); !slices.Equal(keys, session.tolds()) || !keyless.Is(keys[0]) {
		t.Errorf("sent %q, told %q", keys, session.tolds())
	}
	// A caller's own key needs no word, and a caller cannot make a key that looks minted.
	if a := ask(t, http.MethodPost, "http://"+owner.public+"/send", toldBody, "X-Cliente-Id: 51", "Idempotency-Key: mine"); a.code != 200 || a.header.Get(api.HeaderTell) != "" {
		t.Errorf("%+v", a)
	}
	if a := ask(t, http.MethodPost, "http://"+owner.public+"/send", toldBody, "X-Cliente-Id: 51", "Idempotency-Key: "+keyless.NewKey()); a.code != 400 {
		t.Errorf("%+v", a)
	}
}

// Nobody is told of an answer that leaves the outcome open, or that nobody reads.
func TestFaultA3NobodyIsTold(t *testing.T) {
	w := newWorld()
	session := newFakeSession(api.Snapshot{State: api.Ready})
	w.session = session
	run := start(t, w, nil)
	w.move(51, Location{Owner: "n1", Mine: true})
	for _, err := range []error{api.ErrUnknownOutcome, api.ErrStoreUnavailable, api.ErrBusy} {
		session.mu.Lock()
		session.sendErr = err
		session.mu.Unlock()
		if a := ask(t, http.MethodPost, "http://"+run.public+"/send", toldBody, "X-Cliente-Id: 51"); a.code < 500 || a.header.Get(api.HeaderTell) != "" {
			t.Errorf("%v: %+v", err, a)
		}
	}
	hungUp, answered := make(chan struct{}), make(chan struct{})
	session.mu.Lock()
	session.sendErr, session.onSend = nil, func() { <-hungUp; close(answered) }
	session.mu.Unlock()
	conn, err := net.Dial("tcp", run.public)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST /send HTTP/1.1\r\nHost: x\r\nX-Cliente-Id: 51\r\nContent-Length: %d\r\n\r\n%s", len(toldBody), toldBody)
	eventually(t, "the send to begin", func() bool { return len(session.messages()) == 4 })
	_ = conn.Close()
	time.Sleep(50 * time.Millisecond) // until the other side of the loopback has noticed; later would only make the test pass by chance
	close(hungUp)
	<-answered
	session.mu.Lock()
	session.onSend = nil
	session.mu.Unlock()
	// What comes later is told; so the one before was passed over.
	conn, err = net.Dial("tcp", run.public)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /send HTTP/1.1\r\nHost: x\r\nX-Cliente-Id: 51\r\nContent-Length: %d\r\n\r\n%s", len(toldBody), toldBody)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || response.StatusCode != 200 {
		t.Fatal(response, err)
	}
	eventually(t, "word of the last send", func() bool { return len(session.tolds()) == 1 })
	if keys := session.keys(); session.tolds()[0] != keys[4] {
		t.Errorf("told %q of %q", session.tolds(), keys)
	}
}

// Callers who speak TLS have their answers, too; one that has ended its side has none, though its last words are unread.
func TestFaultA3TheOwnerIsToldByTLS(t *testing.T) {
	w := newWorld()
	session := newFakeSession(api.Snapshot{State: api.Ready})
	w.session, w.at[51] = session, Location{Owner: "n1", Mine: true}
	var serving sync.WaitGroup
	t.Cleanup(serving.Wait) // after the shutdown
	run := start(t, w, nil)
	a := ca.New(t)
	both := sideOf(t, a, a)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serving.Go(func() {
		if err := run.Serve(tls.NewListener(l, both.server)); err != nil {
			t.Error(err)
		}
	})
	send := func() *tls.Conn {
		conn, err := tls.Dial("tcp", l.Addr().String(), both.client)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "POST /send HTTP/1.1\r\nHost: x\r\nX-Cliente-Id: 51\r\nContent-Length: %d\r\n\r\n%s", len(toldBody), toldBody)
		return conn
	}
	leaves, left := make(chan struct{}), make(chan struct{})
	session.onSend = func() { <-leaves; close(left) }
	conn := send()
	eventually(t, "the send to begin", func() bool { return len(session.messages()) == 1 })
	if err := conn.CloseWrite(); err != nil { // the end of TLS, and that of TCP
		t.Fatal(err)
	}
	if err := conn.NetConn().(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond) // as above
	close(leaves)
	<-left
	session.mu.Lock()
	session.onSend = nil
	session.mu.Unlock()
	if response, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || response.StatusCode != 200 {
		t.Fatal(response, err)
	}
	_ = conn.Close()
	conn = send()
	defer conn.Close()
	if response, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || response.StatusCode != 200 {
		t.Fatal(response, err)
	}
	eventually(t, "word of the send whose caller stays", func() bool { return len(session.tolds()) > 0 })
	if keys := session.keys(); !slices.Equal(keys[1:], session.tolds()) {
		t.Errorf("sent %q, told %q", keys, session.tolds())
	}
}
