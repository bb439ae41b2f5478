package router

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"session-manager/router/api"
)

// A restart gets to the owner from any node, and answers what the account is then.
func TestFaultA7RestartFromAnyNode(t *testing.T) {
	two := owner(t, nil)
	at := time.Date(2026, 11, 29, 1, 2, 3, 4e6, time.UTC)
	two.world.session = newFakeSession(api.Snapshot{State: api.DisconnectedBanned, Phone: "+5491100000001", LID: "900", Name: "Ana", ConnectedAt: at,
		LastError: api.ErrorInfo{Code: "BANNED", Message: "406: banned"}, Restriction: api.Restriction{Code: 406, Reason: "406: banned", Since: at}})
	one := start(t, elsewhere(two.peer), nil)
	want := `{"cliente_id":51,"state":"DISCONNECTED_BANNED","phone":"5491100000001","lid":"900@lid","name":"Ana","owner":"n2","epoch":"1.7",` +
		`"connected_at":"2026-11-29T01:02:03.004Z","last_error":{"code":"BANNED","message":"406: banned"},` +
		`"restriction":{"code":406,"reason":"406: banned","since":"2026-11-29T01:02:03.004Z"},"desired":"running"}`
	for _, base := range []string{two.public, one.public, one.public} { // by HTTP first, and by a stream
		got := ask(t, "POST", "http://"+base+"/session/restart", "", cliente)
		if got.code != 200 || got.body != want || got.header.Get("X-Session-Owner") != "n2" {
			t.Errorf("%d %s\nwant %s", got.code, got.body, want)
		}
	}
	if got := ask(t, "GET", "http://"+two.public+"/session/restart", "", cliente); got.code != 404 {
		t.Errorf("GET: %d", got.code)
	}
	two.world.session.(*fakeSession).restart = fmt.Errorf("%w: away", api.ErrStoreUnavailable)
	if got := ask(t, "POST", "http://"+one.public+"/session/restart", "", cliente); got.code != 503 || got.header.Get("Retry-After") == "" {
		t.Errorf("without a store: %d %s", got.code, got.body)
	}
	two.world.session.(*fakeSession).restart = errors.New("why")
	if got := ask(t, "POST", "http://"+one.public+"/session/restart", "", cliente); got.code != 500 {
		t.Errorf("failed: %d %s", got.code, got.body)
	}
}

// An owner of the release before does not know the route: nothing was done, and that is said at once.
func TestFaultA7RestartAtAnOldNode(t *testing.T) {
	old := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(404)
		_, _ = w.Write([]byte(`{"error":true,"code":"NOT_FOUND","message":"Endpoint not found"}`))
	}))
	defer old.Close()
	one := start(t, elsewhere(strings.TrimPrefix(old.URL, "http://")), nil)
	if got := ask(t, "POST", "http://"+one.public+"/session/restart", "", cliente); got.code != 503 || !strings.Contains(got.body, "upgrade") {
		t.Errorf("%d %s", got.code, got.body)
	}
}

// A read that waits at a node goes on at the successor when the session ends there.
func TestFaultF8ReadGoesOn(t *testing.T) {
	two := owner(t, nil)
	w := newWorld()
	leaving := newFakeSession(api.Snapshot{State: api.Initializing, Pending: true, Since: time.Now()})
	w.session = leaving
	w.at[51] = Location{Owner: "n1", Mine: true}
	one := start(t, w, nil)
	for _, c := range []struct{ method, path, body, want string }{
		{"GET", "/status", "", `"state":"READY"`}, {"POST", "/send", body, `"message_id"`},
	} {
		leaving.to(api.Snapshot{State: api.Initializing, Pending: true, Since: time.Now()})
		w.move(51, Location{Owner: "n1", Mine: true})
		go func() {
			time.Sleep(50 * time.Millisecond) // the request waits by then; where it does not, the successor answers it at once
			w.move(51, Location{Owner: "n2", Address: two.peer, Placement: "n2", PlacementAddress: two.peer})
			leaving.to(api.Snapshot{State: api.Initializing, Pending: true, Ending: true})
		}()
		begun := time.Now()
		got := ask(t, c.method, "http://"+one.public+c.path, c.body, cliente)
		if got.code != 200 || !strings.Contains(got.body, c.want) || got.header.Get("X-Session-Owner") != "n2" || time.Since(begun) > 9*time.Second {
			t.Errorf("%s after %v: %d %s", c.path, time.Since(begun), got.code, got.body)
		}
	}
}
