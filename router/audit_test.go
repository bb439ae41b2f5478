package router

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"session-manager/router/api"
)

// lines keeps what is logged.
type lines struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Who is refused, and who orders, leaves one line: the key's name, the route, the request.
func TestFaultC12TheLogSaysWho(t *testing.T) {
	set, all, some := withKeys(t)
	var log lines
	r := start(t, newWorld(), func(c *Config) { c.Keys, c.Log = set, slog.New(slog.NewTextHandler(&log, nil)) })
	for i, row := range []struct {
		at, method, path, body, key string
		code                        int
		want                        []string // in its line
	}{
		{r.public, "GET", "/status", "", "", 401, []string{"level=WARN", "it has no key", "key=none", "path=/status", "method=GET", "from=127.0.0.1:"}},
		{r.public, "POST", "/send", body, "smk_guessed", 401, []string{"level=WARN", "its key is not known", "key=none", "path=/send"}},
		{r.public, "GET", "/status", "", some, 403, []string{"level=WARN", "its key does not allow that", "key=front", "path=/status", "cliente=51"}},
		{r.public, "GET", "/cluster", "", some, 403, []string{"key=front", "path=/cluster"}},
		{r.public, "PUT", "/drains/n2", "", some, 403, []string{"key=front", "path=/drains/n2", "method=PUT"}},
		{r.public, "PUT", "/drains/n2", "", all, 200, []string{"level=INFO", "order was taken", `order="drain n2"`, "key=hub"}},
		{r.public, "DELETE", "/drains/n2", "", all, 200, []string{`order="undo the drain of n2"`, "key=hub"}},
		{r.public, "PUT", "/owners/51/target", `{"node":"n2"}`, all, 200, []string{`order="move cliente 51 to n2"`, "key=hub"}},
		{r.trusted, "DELETE", "/owners/51/target", "", "", 200, []string{`order="leave cliente 51 to the ring"`, "key=none", "from=127.0.0.1:"}},
		{r.public, "PUT", "/drains/nowhere", "", all, 404, []string{"level=WARN", "order was not taken", `order="drain nowhere"`, "key=hub"}},
	} {
		id := fmt.Sprintf("id-%d-of-the-test", i)
		headers := []string{cliente, "X-Request-Id: " + id}
		if row.key != "" {
			headers = append(headers, "X-API-Key: "+row.key)
		}
		got := ask(t, row.method, "http://"+row.at+row.path, row.body, headers...)
		if got.code != row.code || got.header.Get("X-Request-Id") != id {
			t.Errorf("%s %s: %d, %v", row.method, row.path, got.code, got.header)
		}
		var its []string
		for line := range strings.Lines(log.String()) {
			if strings.Contains(line, "request_id="+id) {
				its = append(its, line)
			}
		}
		if len(its) != 1 {
			t.Fatalf("%s %s: %d lines\n%s", row.method, row.path, len(its), log.String())
		}
		for _, want := range row.want {
			if !strings.Contains(its[0], want) {
				t.Errorf("%s %s: no %s in %s", row.method, row.path, want, its[0])
			}
		}
	}
	if text := log.String(); strings.Contains(text, "smk_") {
		t.Errorf("a key is in the log:\n%s", text)
	}
}

// Who guesses keys does not fill the disk with lines.
func TestFaultC12FewLinesOfRefusals(t *testing.T) {
	var a audit
	now := time.Now()
	for i := range 100 {
		if _, ok := a.mayLog(now); ok != (i < mostRefusalLines) {
			t.Errorf("refusal %d is logged: %v", i, ok)
		}
	}
	if dropped, ok := a.mayLog(now.Add(refusalInterval)); !ok || dropped != 100-mostRefusalLines {
		t.Errorf("the next line tells %d, %v", dropped, ok)
	}
}

// What could not be read as a request has a name too, and an answer without a key tells nothing of how
// the cluster is built.
func TestFaultC10AnswersTellNothing(t *testing.T) {
	w := newWorld()
	w.ready = errors.New("failed to connect to `user=sm database=prod`: 10.1.2.3:5432 (pg.internal): dial error")
	w.localErr = errors.New("etcd http://etcd1.internal:2379: context deadline exceeded")
	w.orderErr = errors.New("etcd http://etcd1.internal:2379: no leader")
	w.session = newFakeSession(api.Snapshot{State: api.Error, LastError: api.ErrorInfo{Code: "STORE", Message: `FATAL: role "sm" does not exist at pg.internal:5432`}})
	w.at[51] = Location{Placement: "n1", PlacementMine: true}
	w.at[52] = Location{Owner: "n2", Address: "127.0.0.1:1"}
	r := start(t, w, func(c *Config) { c.Limits.Look, c.Limits.Answer = 300*time.Millisecond, 300*time.Millisecond })
	for _, at := range []string{r.public, r.trusted, r.peer} {
		for _, request := range [][3]string{{"GET", "/readyz", ""}, {"GET", "/health", ""}, {"GET", "/status", "51"}, {"POST", "/send", "51"}, {"GET", "/status", "52"},
			{"GET", "/api/session-manager/sessions/sender_52", ""}, {"PUT", "/drains/n1", ""}} {
			got := ask(t, request[0], "http://"+at+request[1], body, "X-Cliente-Id: "+request[2])
			for _, secret := range []string{"internal", "sm ", "prod", "10.1", "5432", "2379", "127.0.0.1:1"} {
				if strings.Contains(got.body, secret) || strings.Contains(got.header.Get("X-Session-Error"), secret) {
					t.Errorf("%v tells %q: %s %v", request, secret, got.body, got.header)
				}
			}
		}
	}
	if got := raw(t, r.public, "GET"); !strings.Contains(got, "X-Request-Id: ") {
		t.Errorf("%.300q", got)
	}
}
