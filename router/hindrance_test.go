package router

import (
	"strings"
	"testing"
	"time"
)

// TestFaultB6Hindered: what waiting does not cure is answered at once, here and over the hop, and a send that
// was lost before is not called safe for it.
func TestFaultB6Hindered(t *testing.T) {
	crowded := &Hindrance{Code: "TOO_MANY_UNPAIRED", Message: "too many", RetryAfter: 30 * time.Second}
	here := newWorld()
	here.at[51] = Location{Placement: "n1", PlacementMine: true}
	here.localErr = crowded
	first := start(t, here, nil)
	second := start(t, elsewhere(first.peer), nil)
	for name, base := range map[string]string{"here": first.public, "over the hop": second.public} {
		for _, call := range []struct{ method, path, body string }{
			{"GET", "/status", ""}, {"GET", "/qr-code", ""}, {"GET", "/qr", ""}, {"POST", "/send", body}, {"POST", "/connect", ""},
			{"GET", "/api/whatsapp/51/status", ""}, {"POST", "/api/session-manager/sessions/sender_51/qr", ""}, {"GET", "/api/session-manager/sessions/sender_51", ""},
		} {
			got := ask(t, call.method, "http://"+base+call.path, call.body, cliente)
			if got.code != 503 || got.header.Get("Retry-After") != "30" || !strings.Contains(got.body, `"TOO_MANY_UNPAIRED"`) {
				t.Errorf("%s: %s: %d %s", name, call.path, got.code, got.body)
			}
		}
	}
	address, _ := stub(t, hangUp, respond("503 Service Unavailable\r\nRetry-After: 1"))
	lost := start(t, elsewhere(address), nil)
	if got := ask(t, "POST", "http://"+lost.public+"/send", body, cliente); got.code != 504 || got.header.Get("Retry-After") != "" {
		t.Errorf("lost before: %d %s %v", got.code, got.body, got.header)
	}
	address, _ = stub(t, hangUp)
	moved := start(t, elsewhere(address), nil)
	moved.world.localErr = crowded
	done := make(chan answer, 1)
	go func() { done <- ask(t, "POST", "http://"+moved.public+"/send", body, cliente) }()
	time.Sleep(50 * time.Millisecond)
	moved.world.move(51, Location{Placement: "n1", PlacementMine: true})
	if got := <-done; got.code != 504 {
		t.Errorf("lost, then hindered: %d %s", got.code, got.body)
	}
}
