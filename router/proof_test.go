package router

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"session-manager/bench/ca"
	"session-manager/router/api"
	"session-manager/router/peer"
)

// proving is the proof of a node that knows the secret which the letter stands for, and those others.
func proving(node, secret string, others ...peer.Other) *peer.Proof {
	p := &peer.Proof{Node: node}
	p.Use(peer.Secrets{Keys: [][]byte{bytes.Repeat([]byte(secret), peer.SecretSize)}})
	p.Know(func() []peer.Other { return others })
	return p
}

// withToken asks a peer port in the words of the release before.
func withToken(t *testing.T, address string) int {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, "http://"+address+"/status", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Cliente-Id", "51")
	request.Header.Set(HeaderPeer, peer.OldToken(bytes.Repeat([]byte("s"), peer.SecretSize)))
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode
}

// What the release before shows each time is believed as long as one of its nodes is registered, and no longer.
func TestFaultC6OldTokenWhileOldNodesAreRegistered(t *testing.T) {
	now := peer.Other{Name: "n3", Address: "127.0.0.1:1", Wire: peer.Wire}
	two := owner(t, func(c *Config) { c.Peers = proving("n2", "s", now) })
	if got := withToken(t, two.peer); got != http.StatusForbidden {
		t.Errorf("no old node: %d, want 403", got)
	}
	old := now
	old.Wire = 0
	two.cfg.Peers.Know(func() []peer.Other { return []peer.Other{now, old} })
	if got := withToken(t, two.peer); got != http.StatusOK {
		t.Errorf("an old node is registered: %d, want 200", got)
	}
	two.cfg.Peers.Know(func() []peer.Other { return []peer.Other{now} })
	if got := withToken(t, two.peer); got != http.StatusForbidden {
		t.Errorf("the old node has gone: %d, want 403", got)
	}
}

// Nodes that have agreed on a secret let those of the release before in, which have none.
func TestFaultC4OldNodesWithoutSecret(t *testing.T) {
	two := owner(t, func(c *Config) {
		c.Peers = proving("n2", "s")
		c.Peers.Use(peer.Secrets{Keys: [][]byte{bytes.Repeat([]byte("s"), peer.SecretSize)}, Agreed: true})
	})
	if got := ask(t, "GET", "http://"+two.peer+"/status", "", cliente); got.code != http.StatusForbidden {
		t.Errorf("no old node: %d", got.code)
	}
	two.cfg.Peers.Know(func() []peer.Other { return []peer.Other{{Name: "n1", Address: "127.0.0.1:1"}} })
	if got := ask(t, "GET", "http://"+two.peer+"/status", "", cliente); got.code != http.StatusOK {
		t.Errorf("an old node is registered: %d", got.code)
	}
}

// A stranger at the address of a forged record hears nothing of a request, neither a text nor a token.
func TestFaultC5CalleeIsAuthenticatedFirst(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	heard := make(chan []byte, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		first := make([]byte, 4096)
		n, _ := c.Read(first)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
		rest, _ := io.ReadAll(bufio.NewReader(c))
		heard <- append(first[:n], rest...)
	}()
	r := start(t, elsewhere(l.Addr().String()), func(c *Config) {
		c.Peers = proving("n1", "s", peer.Other{Name: "n2", Address: l.Addr().String(), Wire: peer.Wire})
		c.Limits.Answer = 200 * time.Millisecond
	})
	if got := ask(t, "POST", "http://"+r.public+"/send", body, cliente, "Content-Type: application/json"); got.code != 503 {
		t.Errorf("%d %s", got.code, got.body)
	}
	if text := string(<-heard); strings.Contains(text, "hola") || strings.Contains(text, HeaderPeer) || strings.Contains(text, "POST") {
		t.Errorf("the stranger heard %q", text)
	}
}

// A node that stands still while it is introduced to is no stranger: nothing was sent, and nobody is told to look at secrets.
func TestFaultC6ANodeThatStandsStill(t *testing.T) {
	address, _ := stub(t, silence)
	var log lines
	r := start(t, elsewhere(address), func(c *Config) {
		c.Peers, c.Log = proving("n1", "s", peer.Other{Name: "n2", Address: address, Wire: peer.Wire}), slog.New(slog.NewTextHandler(&log, nil))
		c.Limits.Answer = 200 * time.Millisecond
	})
	if got := ask(t, "POST", "http://"+r.public+"/send", body, cliente); got.code != 503 {
		t.Errorf("%d %s", got.code, got.body)
	}
	if text := log.String(); strings.Contains(text, "secret") {
		t.Error(text)
	}
}

// By TLS too, streams included; and with TLS the secret is still asked for.
func TestFaultC6WithTLS(t *testing.T) {
	a := ca.New(t)
	own := newWorld()
	own.session = newFakeSession(api.Snapshot{State: api.Ready})
	own.at[51] = Location{Owner: "n2", Mine: true}
	two := startSecure(t, own, func(c *Config) { c.Node = "n2"; c.Peers = proving("n2", "s") }, sideOf(t, a, a).server)
	w := elsewhere(two.peer)
	to := peer.Other{Name: "n2", Address: two.peer, Wire: peer.Wire}
	friend := start(t, w, func(c *Config) { c.PeerTLS = sideOf(t, a, a).client; c.Peers = proving("n1", "s", to) })
	if got := ask(t, "GET", "http://"+friend.public+"/status", "", cliente); got.code != 200 {
		t.Errorf("%d %s", got.code, got.body)
	}
	s, err := friend.streams.open(two.peer)
	if err != nil {
		t.Fatal(err)
	}
	_ = s.conn.Close()
	stranger := start(t, w, func(c *Config) {
		c.PeerTLS = sideOf(t, a, a).client
		c.Peers = proving("n1", "x", to)
		c.Limits.Answer = 200 * time.Millisecond
	})
	if got := ask(t, "GET", "http://"+stranger.public+"/status", "", cliente); got.code != 503 {
		t.Errorf("another secret: %d %s", got.code, got.body)
	}
}
