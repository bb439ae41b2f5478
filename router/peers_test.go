package router

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// A node that is out of reach, and yet owns its clientes, is not waited for by each request anew.
func TestFaultB5UnreachableOwner(t *testing.T) {
	r := start(t, elsewhere("127.0.0.1:1"), func(c *Config) { c.Limits.Unreachable = time.Second })
	for _, call := range []struct{ method, path, body string }{{"GET", "/status", ""}, {"POST", "/send", body}, {"GET", "/qr-code", ""}} {
		begun := time.Now()
		got := ask(t, call.method, "http://"+r.public+call.path, call.body, cliente)
		if got.code != 503 || got.header.Get("Retry-After") == "" || !strings.Contains(got.body, "check the network between the two nodes") {
			t.Errorf("%s: %d %s", call.path, got.code, got.body)
		}
		if took := time.Since(begun); took > 20*time.Second {
			t.Errorf("%s: answered after %v", call.path, took)
		}
	}
	// Once it is reached again, all that is forgotten.
	two := owner(t, nil)
	r.peers.tried(two.peer, errors.New("cut off"))
	r.world.move(51, Location{Owner: "n2", Address: two.peer})
	if got := ask(t, "GET", "http://"+r.public+"/status", "", cliente); got.code != 200 {
		t.Errorf("reached again: %d %s", got.code, got.body)
	}
	if err := r.peers.unreachable(two.peer, 0); err != nil {
		t.Error(err)
	}
}
