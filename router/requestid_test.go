package router

import (
	"strings"
	"testing"
	"time"

	"session-manager/router/api"
)

func TestRequestIDs(t *testing.T) {
	two := owner(t, nil)
	one := start(t, elsewhere(two.peer), nil)
	long := strings.Repeat("x", maxRequestID)
	for _, node := range []*running{one, two} {
		made := map[string]bool{}
		for _, row := range []struct{ sent, want string }{{"abc-1", "abc-1"}, {long, long}, {long + "x", ""}, {"two words", ""}, {"ñ", ""}, {"", ""}, {"", ""}} {
			headers := []string{cliente}
			if row.sent != "" {
				headers = append(headers, headerRequestID+": "+row.sent)
			}
			got := ask(t, "GET", "http://"+node.public+"/status", "", headers...)
			id := got.header.Get(headerRequestID)
			if got.code != 200 || row.want != "" && id != row.want || row.want == "" && (id == "" || id == row.sent || made[id]) {
				t.Errorf("sent %q: %d, answered %q", row.sent, got.code, id)
			}
			made[id] = row.want == ""
		}
		if got := ask(t, "GET", "http://"+node.public+"/nothing", ""); got.code != 404 || got.header.Get(headerRequestID) == "" {
			t.Errorf("a refusal: %d, %v", got.code, got.header)
		}
	}
}

// An owner is told how much of a request's time is left, by HTTP and by streams, and no caller waits for longer.
func TestFaultA9OwnerIsToldWhatIsLeft(t *testing.T) {
	two := owner(t, func(c *Config) { c.Limits.ReadyWait = time.Minute })
	session := two.world.session.(*fakeSession)
	one := start(t, elsewhere(two.peer), func(c *Config) { c.Limits.Answer, c.Limits.Reserve = 10*time.Second, 8*time.Second })
	session.to(api.Snapshot{State: api.Reconnecting})
	for n := range 3 { // by HTTP, then by the stream
		begun := time.Now()
		got := ask(t, "POST", "http://"+one.public+"/send", body, cliente)
		// The owner's own 25 s would have been 504 here.
		if got.code != 409 || !strings.Contains(got.body, "RECONNECTING") {
			t.Errorf("%d: %d %s after %v", n, got.code, got.body, time.Since(begun))
		}
	}
	if one.streams.to(two.peer) == nil {
		t.Error("no stream was opened")
	}
}
