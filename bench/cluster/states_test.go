package cluster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"session-manager/bench/cluster"
	"session-manager/bench/emulator"
	"session-manager/node/ownership"
)

// told is what a node answers of a cliente.
func (w *world) told(n *cluster.Node, method, path string, c ownership.Cliente) (status int, body string, err error) {
	request, err := http.NewRequest(method, n.URL()+strings.ReplaceAll(path, "N", c.String()), nil)
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("X-Cliente-Id", c.String())
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

var readRoutes = []string{"/status", "/qr-code", "/qr", "/api/whatsapp/N/status", "/api/session-manager/sessions/sender_N"}

// firstTimer says whether an answer is one of a cliente that was never paired.
func firstTimer(status int, body string) bool {
	return status == 404 || strings.Contains(body, "INITIALIZING") || strings.Contains(body, `"init"`) || strings.Contains(body, `"phone_number":null`)
}

// readAll asks for all clientes at nodes by all routes until READY was told of each, and reports what no
// paired cliente is.
func (w *world) readAll(nodes []*cluster.Node, clientes []ownership.Cliente) {
	w.t.Helper()
	ctx := within(w.t, 60*time.Second)
	var work sync.WaitGroup
	var mu sync.Mutex
	wrong, answers := map[string]int{}, 0
	for i, c := range clientes {
		for j, path := range readRoutes {
			n := nodes[(i+j)%len(nodes)]
			work.Go(func() {
				for ctx.Err() == nil {
					status, body, err := w.told(n, "GET", path, c)
					mu.Lock()
					answers++
					if err == nil && firstTimer(status, body) {
						wrong[fmt.Sprintf("%s: %d %s", path, status, body)]++
					}
					mu.Unlock()
					if err == nil && status != 503 && (strings.Contains(body, "READY") || strings.Contains(body, `"connected","qr_status"`)) {
						return
					}
					time.Sleep(5 * time.Millisecond)
				}
			})
		}
	}
	work.Wait()
	if ctx.Err() != nil || len(wrong) > 0 {
		w.t.Errorf("of %d answers, READY for all: %v; wrong: %v", answers, ctx.Err() == nil, wrong)
	}
}

// Reads during a takeover, and after a plain restart of everything, tell of no paired cliente that it is
// one's first time.
func TestFaultA2(t *testing.T) {
	w := begin(t, 8, cluster.Options{Nodes: 3, Store: cluster.Postgres})
	victim := w.owner(51)
	its := w.ownedBy(victim)
	rest := func() (nodes []*cluster.Node) {
		for _, n := range w.Nodes() {
			if n != victim {
				nodes = append(nodes, n)
			}
		}
		return nodes
	}
	begun := time.Now()
	took := func(what string) {
		t.Logf("%s: %v", what, time.Since(begun).Round(time.Millisecond))
		begun = time.Now()
	}
	victim.Kill()
	w.readAll(rest(), its)
	took("a takeover")
	w.must(victim.Restart(within(t, 60*time.Second)))
	took("back")
	for _, n := range w.Nodes() {
		n.Kill()
	}
	for _, n := range w.Nodes() {
		w.must(n.Restart(within(t, 60*time.Second)))
	}
	took("restarts")
	w.readAll(w.Nodes(), w.clientes)
	took("reads after the restarts")
	w.clean(0)
}

// A permanent ban survives a failover and a restart of all nodes; nothing pairs until it is lifted, by a
// restart that any node takes, as often as one likes.
func TestFaultA7(t *testing.T) {
	w := begin(t, 2, cluster.Options{Nodes: 3, Store: cluster.Postgres})
	const banned = ownership.Cliente(51)
	number := cluster.NumberOf(banned)
	w.must(w.Emulator.SetFault(within(t, soon), emulator.Fault{Kind: emulator.FaultFail, Number: number, Code: 406}))
	w.must(w.Emulator.SetFault(within(t, soon), emulator.Fault{Kind: emulator.FaultDrop, Number: number}))
	isBanned := func(what string) {
		t.Helper()
		for _, n := range w.Nodes() {
			if !n.Running() {
				continue
			}
			w.must(cluster.Await(within(t, 60*time.Second), what, func(context.Context) (bool, string, error) {
				status, body, err := w.told(n, "GET", "/status", banned)
				return err == nil && status == 200 && strings.Contains(body, "DISCONNECTED_BANNED"), fmt.Sprint(status, body, err), nil
			}))
			if status, body, err := w.told(n, "GET", "/api/session-manager/sessions/sender_N", banned); err != nil ||
				!strings.Contains(body, `"status":"error"`) || !strings.Contains(body, `"last_error_code":"BANNED","last_error_message":"406`) {
				t.Errorf("%s: %d %s, %v", what, status, body, err)
			}
			if status, body, err := w.told(n, "POST", "/api/session-manager/sessions/sender_N/qr", banned); err != nil || status != 500 || !strings.Contains(body, "406") {
				t.Errorf("%s: %d %s, %v", what, status, body, err)
			}
			if status, body, err := w.told(n, "GET", "/qr-code", banned); err != nil || status != 409 {
				t.Errorf("%s: %d %s, %v", what, status, body, err)
			}
		}
	}
	isBanned("the ban")
	w.must(w.Emulator.ClearFaults(within(t, soon)))
	killed := w.owner(banned)
	killed.Kill()
	isBanned("the ban after a failover")
	for _, n := range w.Nodes() {
		n.Kill()
	}
	for _, n := range w.Nodes() {
		w.must(n.Restart(within(t, 60*time.Second)))
	}
	isBanned("the ban after a restart")
	for _, n := range w.Nodes() {
		status, body, err := w.told(n, "POST", "/session/restart", banned)
		var account struct {
			State string `json:"state"`
			Owner string `json:"owner"`
		}
		if err != nil || status != 200 || json.Unmarshal([]byte(body), &account) != nil || account.State == "DISCONNECTED_BANNED" || w.Node(account.Owner) == nil {
			t.Errorf("restart at %s: %d %s, %v", n.Name(), status, body, err)
		}
	}
	ctx := within(t, 60*time.Second)
	_, err := w.Pair(ctx, banned, number)
	w.must(err)
	w.send(w.Client(), banned, "after the ban")
	w.arrivedOnce(banned, "after the ban")
}
