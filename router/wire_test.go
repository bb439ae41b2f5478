package router

import (
	"bytes"
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"

	"session-manager/router/peer"
)

// passing are the lines that differ from one request to the next.
var passing = regexp.MustCompile(`(Date|X-Request-Id|X-Session-Left): [^\r]*\r\n`)

// What goes over the wire, to the byte but for what passes: the answer of an owner, what a node says
// to the owner in a caller's name, and what it says to the caller in the owner's.
func TestWire(t *testing.T) {
	const request = "GET /status?x=%20y HTTP/1.1\r\nHost: lb:3001\r\nUser-Agent: hub/1.0\r\nAccept: */*\r\nX-Cliente-Id: 51\r\n" +
		"X-API-Key: secret\r\nAuthorization: Bearer secret\r\nConnection: keep-alive\r\nX-Session-Owner: forged\r\nX-Session-Forwarded: forged\r\n" +
		"X-Session-Peer: forged\r\nX-Session-Epoch: forged\r\nX-Session-Not-Started: forged\r\nX-Forwarded-For: 10.0.0.1\r\nCookie: a=b\r\n\r\n"
	const head = "Server: session-manager\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: "
	owned := fmt.Sprintf("HTTP/1.1 200 OK\r\n%s%d\r\nX-Session-Owner: n1\r\nX-Session-Epoch: 1.7\r\n\r\n%s", head, len(statusAnswer), statusAnswer)

	own := owning(t)
	for _, row := range []struct{ request, want string }{
		{request, owned},
		{"GET /status HTTP/1.0\r\nHost: lb\r\nX-Cliente-Id: 51\r\n\r\n", strings.Replace(owned, "1.7\r\n", "1.7\r\nConnection: close\r\n", 1)},
		{"GET /status HTTP/1.1\r\nHost: lb\r\n\r\n",
			"HTTP/1.1 400 Bad Request\r\n" + head + "83\r\n\r\n" + `{"error":true,"code":"MISSING_HEADER","message":"Header X-Cliente-Id es requerido"}`},
		{"GET /nope HTTP/1.1\r\nHost: lb\r\n\r\n",
			"HTTP/1.1 404 Not Found\r\n" + head + "64\r\n\r\n" + `{"error":true,"code":"NOT_FOUND","message":"Endpoint not found"}`},
	} {
		if got := said(t, own.public, row.request); got != row.want {
			t.Errorf("%q\nis answered by\n%q\nwant\n%q", row.request, got, row.want)
		}
	}

	address, heard := onePeer(t, owned)
	hop := start(t, elsewhere(address), func(c *Config) { c.Peers = proving(c.Node, "s", peer.Other{Name: "n2", Address: address}) })
	if got := said(t, hop.public, request); got != owned {
		t.Errorf("forwarded, the answer is\n%q\nwant\n%q", got, owned)
	}
	want := "GET /status?x=%20y HTTP/1.1\r\nUser-Agent: hub/1.0\r\nHost: " + address + "\r\nAccept: */*\r\nX-Cliente-Id: 51\r\n" +
		"X-Forwarded-For: 10.0.0.1\r\nCookie: a=b\r\nX-Session-Forwarded: n1\r\nX-Session-Peer: " + peer.OldToken(bytes.Repeat([]byte("s"), 32)) + "\r\n\r\n"
	if got := string(passing.ReplaceAll([]byte(<-heard), nil)); got != want {
		t.Errorf("the owner was asked\n%q\nwant\n%q", got, want)
	}
}

// said is the whole answer to a request, but for what passes.
func said(t *testing.T, address, request string) string {
	t.Helper()
	answer, err := dialWire(t, address).ask([]byte(request))
	if err != nil {
		t.Fatal(err)
	}
	return string(passing.ReplaceAll(answer, nil))
}

// onePeer is a peer that hears one request and answers it.
func onePeer(t *testing.T, answer string) (address string, heard chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	heard = make(chan string, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		w := &wire{Conn: c}
		request, err := w.answer()
		if err != nil {
			return
		}
		heard <- string(request)
		_, _ = c.Write([]byte(answer))
		_, _ = w.answer() // until the other side closes
	}()
	return l.Addr().String(), heard
}
