package deploy_test

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// from is one request from a loopback address, over a connection of its own.
func from(t *testing.T, source, at string) (answer string) {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}, Timeout: 20 * time.Second}
	c, err := d.Dial("tcp", at)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(c, "GET /status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") // where it fails, so does what follows
	text, _ := io.ReadAll(c)
	return string(text)
}

// A quarter of the places is one address's, 25 of 100 here: more connections of it are refused, and others get in.
func TestFaultC9OneSourceAtTheBalancer(t *testing.T) {
	at := balancer(t, "haproxy", newNode(t, false))
	for range 120 {
		if c, err := net.DialTimeout("tcp", at, 20*time.Second); err == nil { // the last ones may be refused as early as that
			defer c.Close()
		}
	}
	if got := from(t, "127.0.0.2", at); !strings.HasPrefix(got, "HTTP/1.1 200") {
		t.Errorf("another source: %q", got)
	}
	if got := from(t, "127.0.0.1", at); strings.HasPrefix(got, "HTTP/1.1 200") {
		t.Error("the source that has too many has one more")
	}
}
