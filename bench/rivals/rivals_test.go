package rivals

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
)

func self(t *testing.T) string {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// get asks without keeping a connection.
func get(t *testing.T, address, cliente string) (status int, body string, header http.Header) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://"+address+"/status", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	if cliente != "" {
		req.Header.Set("X-Cliente-Id", cliente)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(raw), resp.Header
}

// up ends the test where the rival is not installed, and ends the rival with the test.
func up(t *testing.T, r *Rival, err error) *Rival {
	t.Helper()
	if errors.Is(err, ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Close()
		if err := syscall.Kill(-r.PID(), 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("%s left processes: %v", r.Name, err)
		}
	})
	return r
}

// Every proxy brings a cliente's requests to its node, and nobody else's anywhere.
func TestProxies(t *testing.T) {
	for name, run := range map[string]func(ctx context.Context, dir string, routes []Route) (*Rival, error){
		"nginx": Nginx, "haproxy": HAProxy,
		"naive": func(ctx context.Context, dir string, routes []Route) (*Rival, error) {
			return Naive(ctx, self(t), dir, routes)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var routes []Route
			for node, clientes := range map[string][]string{"node1": {"51", "7"}, "node2": {"512"}} {
				s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.WriteString(w, node+" "+r.URL.Path+" "+r.Header.Get("X-Cliente-Id"))
				}))
				defer s.Close()
				routes = append(routes, Route{Node: node, Address: s.Listener.Addr().String(), Clientes: clientes})
			}
			r, err := run(context.Background(), t.TempDir(), routes)
			r = up(t, r, err)
			for cliente, want := range map[string]string{"51": "node1 /status 51", "7": "node1 /status 7", "512": "node2 /status 512"} {
				if status, body, _ := get(t, r.Address, cliente); status != http.StatusOK || body != want {
					t.Errorf("cliente %s: %d %q, want %q", cliente, status, body, want)
				}
			}
			for _, cliente := range []string{"", "5", "5123"} {
				if status, body, _ := get(t, r.Address, cliente); status == http.StatusOK {
					t.Errorf("cliente %q: %q", cliente, body)
				}
			}
			r.Close()
		})
	}
}

func TestExpress(t *testing.T) {
	r, err := Express(context.Background(), t.TempDir(), []string{"51", "7"})
	r = up(t, r, err)
	const want = `{"cliente_id":51,"connected":true,"state":"READY","status":"READY","reconnection_attempts":0,"max_reconnection_attempts":3,"can_send_messages":true,"needs_qr":false,"is_recoverable":false,"recommended_action":"Session operational - can send messages","qr_code_base64":null}`
	if status, body, _ := get(t, r.Address, "51"); status != http.StatusOK || body != want {
		t.Errorf("%d %s\nwant %s", status, body, want)
	}
	for cliente, want := range map[string]int{"": 400, "x": 400, "8": 404} {
		if status, body, _ := get(t, r.Address, cliente); status != want {
			t.Errorf("cliente %q: %d %s, want %d", cliente, status, body, want)
		}
	}
}

func TestBare(t *testing.T) {
	a := Answer{Headers: [][2]string{{"Content-Type", "application/json; charset=utf-8"}, {"X-Session-Owner", "a=b,c"}}, Body: []byte(`{"a":1}`)}
	r, err := Bare(context.Background(), self(t), t.TempDir(), a)
	r = up(t, r, err)
	status, body, header := get(t, r.Address, "51")
	if status != http.StatusOK || body != `{"a":1}` {
		t.Errorf("%d %s", status, body)
	}
	for _, h := range a.Headers {
		if header.Get(h[0]) != h[1] {
			t.Errorf("%s: %q, want %q", h[0], header.Get(h[0]), h[1])
		}
	}
}

// One that does not start says why, and leaves nothing.
func TestDoesNotStart(t *testing.T) {
	line := func(words ...string) func(string) ([]string, error) {
		return func(string) ([]string, error) { return words, nil }
	}
	_, err := start(context.Background(), "broken", t.TempDir(), nil, line("sh", "-c", "echo the reason; exit 3"))
	if err == nil || !strings.Contains(err.Error(), "the reason") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err = start(ctx, "slow", t.TempDir(), nil, line("sleep", "60")); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := find("no-such-program", "it"); !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "install.sh it") {
		t.Errorf("%v", err)
	}
	if _, err := pairs([]string{"a=b", "c"}); !errors.Is(err, errNoPair) {
		t.Errorf("%v", err)
	}
}
