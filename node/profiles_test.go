package node

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"session-manager/router"
)

// Profiles have a port of their own, which is there if it was asked for and ends with the node.
func TestProfiles(t *testing.T) {
	p, err := listen(Options{Listen: "127.0.0.1:0", PeerListen: "127.0.0.1:0", ProfileListen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler)}, descriptors{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	var log bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	var servers sync.WaitGroup
	p.serveProfiles(ctx, &servers, router.Origins{}, slog.New(slog.NewTextHandler(&log, nil)))
	base := "http://" + p.profile.Addr().String()
	if !strings.Contains(log.String(), "listen="+p.profile.Addr().String()) {
		t.Errorf("the log does not say where: %s", log.String())
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for path, want := range map[string]int{
		"/debug/pprof/": 200, "/debug/pprof/heap": 200, "/debug/pprof/goroutine?debug=1": 200, "/debug/pprof/profile?seconds=1": 200,
		"/debug/pprof/trace?seconds=0.01": 200, "/debug/pprof/cmdline": 200, "/": 404, "/status": 404, "/metrics": 404,
	} {
		response, err := client.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != want || len(body) == 0 {
			t.Errorf("%s: %d with %d bytes, %v; want %d", path, response.StatusCode, len(body), err, want)
		}
	}
	cancel()
	servers.Wait()
	if _, err := client.Get(base + "/debug/pprof/"); err == nil {
		t.Error("profiles are served after the end")
	}
}

func TestNoProfiles(t *testing.T) {
	p, err := listen(Options{Listen: "127.0.0.1:0", PeerListen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler)}, descriptors{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	var servers sync.WaitGroup
	p.serveProfiles(t.Context(), &servers, router.Origins{}, slog.New(slog.DiscardHandler))
	servers.Wait()
	if p.profile != nil {
		t.Error("there is a port for profiles that nobody asked for")
	}
}

// Nobody makes the profiles' port read a body: a form of 10 MB would be read for anybody.
func TestFaultC1ProfilesReadNoBody(t *testing.T) {
	read := false
	next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { read = true })
	for _, row := range []struct {
		method, body string
		want         int
	}{
		{http.MethodGet, "", 200}, {http.MethodHead, "", 200},
		{http.MethodGet, "x", 405}, {http.MethodPost, "seconds=1", 405}, {http.MethodPut, "", 405},
	} {
		read = false
		w := httptest.NewRecorder()
		var body io.Reader
		if row.body != "" {
			body = strings.NewReader(row.body)
		}
		bodiless(next).ServeHTTP(w, httptest.NewRequest(row.method, "/debug/pprof/profile", body))
		if w.Code != row.want || read != (row.want == 200) {
			t.Errorf("%s with %q: %d, and it was served: %v", row.method, row.body, w.Code, read)
		}
	}
}

// Pages of elsewhere do not reach the port of profiles by a name of their own.
func TestFaultC3ProfilesAreForNobodysPages(t *testing.T) {
	own := Options{ProfileListen: "own.example:6060", AllowedHosts: []string{"ops.example"}, CORSOrigins: []string{"https://hub.example"}}.origins()
	for _, row := range []struct {
		host, origin string
		want         int
	}{
		{"127.0.0.1:6060", "", 200}, {"[::1]:6060", "", 200}, {"localhost:6060", "http://localhost:6060", 200},
		{"own.example:6060", "", 200}, {"ops.example", "", 200}, {"localhost", "https://hub.example", 200},
		{"evil.example", "", 403}, {"evil.example", "http://evil.example", 403}, {"127.0.0.1:6060", "http://evil.example", 403}, {"localhost", "null", 403},
	} {
		request := httptest.NewRequest(http.MethodGet, "/debug/pprof/cmdline", nil)
		request.Host = row.host
		if row.origin != "" {
			request.Header.Set("Origin", row.origin)
		}
		w := httptest.NewRecorder()
		forOwnPages(own, profiles()).ServeHTTP(w, request)
		if w.Code != row.want {
			t.Errorf("%s from %q: %d, want %d", row.host, row.origin, w.Code, row.want)
		}
	}
}
