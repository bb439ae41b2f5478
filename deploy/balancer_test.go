// Package deploy_test tries the load balancers' configurations.
package deploy_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"session-manager/bench/ports"
)

// node is a stand-in whose answers stop when it hangs, as a stopped process's do.
type node struct {
	*httptest.Server
	hangs atomic.Bool
	asked chan string // methods of requests that wait, as it hangs from the first on
	over  chan struct{}
}

// newNode answers; hanging says that it stands still from its first request of a cliente on.
func newNode(t *testing.T, hanging bool) *node {
	n := &node{asked: make(chan string, 10), over: make(chan struct{})}
	n.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" && hanging {
			n.hangs.Store(true)
			n.asked <- r.Method
		}
		if n.hangs.Load() {
			<-n.over
			return
		}
		fmt.Fprint(w, "answered")
	}))
	t.Cleanup(func() { close(n.over); n.Server.CloseClientConnections(); n.Server.Close() })
	return n
}

func (n *node) address() string { return strings.TrimPrefix(n.URL, "http://") }

// balancer runs a program with a configuration in front of the nodes, and returns its address.
func balancer(t *testing.T, program string, nodes ...*node) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		if path = "/usr/sbin/" + program; exec.Command(path, "-v").Run() != nil {
			t.Fatal(program, "is not installed: deploy/install.sh", program)
		}
	}
	dir := t.TempDir()
	port, err := ports.Keep("127.0.0.1") // a balancer gets it all the same
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(port.Close)
	at := port.Address()
	file := filepath.Join(dir, "config")
	var command *exec.Cmd
	switch program {
	case "haproxy":
		text := read(t, "haproxy.cfg")
		text = regexp.MustCompile(`(?s)resolvers docker\n.*?\n\n`).ReplaceAllString(text, "")
		text = strings.NewReplacer(" resolvers docker resolve-prefer ipv4 init-addr none", "", "bind :3001", "bind "+at, "maxconn 8000", "maxconn 100", "gt 2000", "gt 25").Replace(text)
		servers := ""
		for i, n := range nodes {
			servers += fmt.Sprintf("    server node%d %s\n", i, n.address())
		}
		text = strings.ReplaceAll(text, "    server-template node 16 node:3001\n", servers)
		write(t, file, text)
		command = exec.Command(path, "-db", "-f", file)
	case "nginx":
		text := strings.Replace(read(t, "nginx.conf"), "listen 3001", "listen "+at, 1)
		servers := ""
		for _, n := range nodes {
			servers += "server " + n.address() + " max_fails=1 fail_timeout=2s;\n"
		}
		text = regexp.MustCompile(`(?m)^ *server node[1-3].*\n`).ReplaceAllString(text, "")
		text = strings.Replace(text, "upstream session_manager {\n", "upstream session_manager {\n"+servers, 1)
		write(t, file, "daemon off; pid "+dir+"/pid; error_log stderr; events {}\nhttp { access_log off;\n"+
			"client_body_temp_path "+dir+"/b; proxy_temp_path "+dir+"/p; fastcgi_temp_path "+dir+"/f; uwsgi_temp_path "+dir+"/u; scgi_temp_path "+dir+"/s;\n"+text+"}\n")
		command = exec.Command(path, "-c", file, "-e", "stderr")
	}
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var said strings.Builder
	command.Stderr = &said
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	t.Cleanup(func() { _ = command.Process.Signal(syscall.SIGTERM); <-ended })
	for limit := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if code, _ := ask(at, http.MethodGet, "/readyz"); code == http.StatusOK {
			return at
		}
		if time.Now().After(limit) {
			_ = command.Process.Kill()
			t.Fatal(program, "does not serve")
		}
	}
}

func ask(at, method, path string) (int, string) {
	request, err := http.NewRequest(method, "http://"+at+path, strings.NewReader(""))
	if err != nil {
		return 0, err.Error()
	}
	answer, err := (&http.Client{Timeout: 28 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body)
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A read that waits at a node which stands still is answered by another one.
func TestFaultD9ReadsOutliveTheirNode(t *testing.T) {
	for _, program := range []string{"haproxy", "nginx"} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			bad, good := newNode(t, true), newNode(t, false)
			at := balancer(t, program, bad, good)
			for range 4 { // one of them at least meets the bad one
				if code, body := ask(at, http.MethodGet, "/status"); code != http.StatusOK || body != "answered" {
					t.Errorf("%d %s", code, body)
				}
			}
			if len(bad.asked) == 0 {
				t.Error("the bad node was never asked")
			}
		})
	}
}

// A send that waits there ends when the node is marked down, long before the caller's time is up, and is not sent again.
func TestFaultD10SendsEndWithTheirNode(t *testing.T) {
	t.Parallel()
	bad, other := newNode(t, true), newNode(t, true)
	at := balancer(t, "haproxy", bad, other)
	code, body := ask(at, http.MethodPost, "/send")
	if code == http.StatusOK || strings.Contains(body, "Timeout") {
		t.Errorf("%d %s", code, body)
	}
	if n := len(bad.asked) + len(other.asked); n != 1 {
		t.Errorf("it was sent %d times", n)
	}
}
