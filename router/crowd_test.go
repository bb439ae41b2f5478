package router

import (
	"strings"
	"sync"
	"testing"
	"time"

	"session-manager/node/ownership"
	"session-manager/router/api"
)

// A cliente that is asked for without end is refused what is too much, on every route and by every way, and
// all others are answered as ever.
func TestFaultB7OneClienteKeepsNobodyWaiting(t *testing.T) {
	two := owner(t, func(c *Config) { c.Limits.Crowd = 4 })
	release := sticky(t, two)
	two.world.move(52, Location{Owner: "n2", Mine: true})
	r := streaming(t, two, nil)
	r.world.move(52, Location{Owner: "n2", Address: two.peer})
	var all sync.WaitGroup
	defer all.Wait()
	defer release()
	sends := func(at string, n int) {
		for range n {
			all.Go(func() { ask(t, "POST", "http://"+at+"/send", body, cliente) })
		}
	}
	sends(two.public, 2)
	sends(r.public, 2)
	eventually(t, "as many as may are under way", func() bool { return len(two.world.session.(*fakeSession).messages()) == 4 })
	for _, at := range []string{two.public, two.trusted, r.public} {
		for _, request := range []struct{ method, path string }{
			{"POST", "/send"}, {"GET", "/status"}, {"GET", "/qr"}, {"GET", "/qr-code"}, {"POST", "/connect"},
			{"GET", "/api/session-manager/sessions/sender_51"}, {"POST", "/api/session-manager/sessions/sender_51/qr"}, {"GET", "/api/whatsapp/51/status"},
		} {
			got := ask(t, request.method, "http://"+at+request.path, body, cliente)
			if got.code != 503 || !strings.Contains(got.body, "SESSION_BUSY") || got.header.Get("Retry-After") == "" {
				t.Errorf("%s %s: %d %s", request.method, request.path, got.code, got.body)
			}
		}
		if got := ask(t, "GET", "http://"+at+"/status", "", "X-Cliente-Id: 52"); got.code != 200 {
			t.Errorf("another cliente: %d %s", got.code, got.body)
		}
	}
}

// A key takes no more than its share of the places in which requests wait for an owner.
func TestFaultB7AKeyHasAShareOfThePlaces(t *testing.T) {
	var p places
	for range 2 {
		if !p.take("a", 8) {
			t.Fatal("a share is a quarter of eight")
		}
	}
	if p.take("a", 8) {
		t.Error("a key takes more than its share")
	}
	if !p.take("b", 8) || !p.take("", 8) || !p.take("", 8) || !p.take("", 8) || !p.take("", 8) || !p.take("", 8) || p.take("", 8) {
		t.Error("others do not have the rest")
	}
	p.giveBack("a")
	if !p.take("a", 8) {
		t.Error("a place that was given back is gone")
	}
}

// The operator's routes have a bound of their own.
func TestFaultB7OperatorsRoutesAreBounded(t *testing.T) {
	r := start(t, newWorld(), func(c *Config) { c.Limits.Operator = 1 })
	r.operates.Add(1)
	for _, request := range [][2]string{{"GET", "/cluster"}, {"GET", "/metrics"}, {"GET", "/owners/51"}, {"PUT", "/drains/n1"}} {
		if got := ask(t, request[0], "http://"+r.public+request[1], ""); got.code != 503 || got.header.Get("Retry-After") == "" {
			t.Errorf("%v: %d %s", request, got.code, got.body)
		}
	}
	r.operates.Add(-1)
	if got := ask(t, "GET", "http://"+r.public+"/cluster", ""); got.code != 200 {
		t.Errorf("%d %s", got.code, got.body)
	}
}

// Whatever happens, reads are answered in their own time, by 503: to look twice changes nothing.
func TestFaultD4ReadsAreAnsweredInTime(t *testing.T) {
	limits := func(c *Config) {
		c.Limits.Look, c.Limits.Answer = 300*time.Millisecond, 20*time.Second
	}
	silent, _ := stub(t, silence)
	w := newWorld()
	w.at[51] = Location{Owner: "n2", Address: silent}        // it stands still
	w.at[52] = Location{Owner: "n3", Address: "127.0.0.1:1"} // it is away
	w.at[53] = Location{}                                    // nobody's, and no taker
	r := start(t, w, limits)
	for _, c := range []ownership.Cliente{51, 52, 53} {
		for _, request := range []struct{ method, path string }{
			{"GET", "/status"}, {"GET", "/qr"}, {"GET", "/qr-code"}, {"POST", "/connect"}, {"GET", "/api/session-manager/sessions/sender_" + c.String()},
			{"POST", "/api/session-manager/sessions/sender_" + c.String() + "/qr"}, {"GET", "/api/whatsapp/" + c.String() + "/status"},
		} {
			begun := time.Now()
			got := ask(t, request.method, "http://"+r.public+request.path, "", "X-Cliente-Id: "+c.String())
			if got.code != 503 || got.header.Get("Retry-After") == "" || !strings.Contains(got.body, "OWNER_UNAVAILABLE") {
				t.Errorf("%d: %s %s: %d %s", c, request.method, request.path, got.code, got.body)
			}
			if took := time.Since(begun); took > 9*time.Second {
				t.Errorf("%d: %s %s took %v", c, request.method, request.path, took)
			}
		}
	}
}

// The promise is kept by the defaults, with something left for the way.
func TestFaultD4Defaults(t *testing.T) {
	l := Limits{}.complete()
	for route, want := range map[api.Route]time.Duration{api.Status: 4500, api.HubSession: 4500, api.Connect: 4500, api.HubQR: 4500, api.Send: 25000} {
		if got := l.of(route); got >= want*time.Millisecond || got < want*time.Millisecond*4/5 {
			t.Errorf("%s: %v, promised %v ms", route, got, want)
		}
	}
}
