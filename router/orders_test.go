package router

import (
	"errors"
	"slices"
	"testing"
)

func TestOrders(t *testing.T) {
	w := newWorld()
	r := start(t, w, nil)
	for _, c := range []struct {
		method, path, body string
		code               int
		answer             string
		order              string // that is taken; "": none
	}{
		{"PUT", "/owners/51/target", `{"node":"n2"}`, 200, `{"ok":true}`, `51 to "n2"`},
		{"DELETE", "/owners/51/target", ``, 200, `{"ok":true}`, `51 to ""`},
		{"PUT", "/drains/n2", ``, 200, `{"ok":true}`, `drain n2: true`},
		{"DELETE", "/drains/n2", ``, 200, `{"ok":true}`, `drain n2: false`},
		{"PUT", "/owners/51/target", `{"node":"nowhere"}`, 404, `{"error":true,"code":"NODE_NOT_FOUND","message":"no such node in the cluster: \"nowhere\""}`, ""},
		{"PUT", "/drains/nowhere", ``, 404, `{"error":true,"code":"NODE_NOT_FOUND","message":"no such node in the cluster: \"nowhere\""}`, ""},
		{"PUT", "/owners/51/target", `{"node":""}`, 400, `{"error":true,"code":"INVALID_REQUEST","message":"Body must be {\"node\":\"NAME\"}"}`, ""},
		{"PUT", "/owners/51/target", `n2`, 400, `{"error":true,"code":"INVALID_REQUEST","message":"Body must be {\"node\":\"NAME\"}"}`, ""},
		{"PUT", "/owners/x/target", `{"node":"n2"}`, 400, `{"error":true,"code":"INVALID_CLIENT_ID","message":"clienteId debe ser un número positivo"}`, ""},
		{"POST", "/owners/51/target", `{"node":"n2"}`, 404, `{"error":true,"code":"NOT_FOUND","message":"Endpoint not found"}`, ""}, // what a page in a browser could send
		{"PUT", "/owners/51", ``, 404, `{"error":true,"code":"NOT_FOUND","message":"Endpoint not found"}`, ""},
	} {
		w.orders = nil
		got := ask(t, c.method, "http://"+r.public+c.path, c.body)
		if got.code != c.code || got.body != c.answer {
			t.Errorf("%s %s %s: %d %s, want %d %s", c.method, c.path, c.body, got.code, got.body, c.code, c.answer)
		}
		if want := []string{c.order}; c.order != "" && !slices.Equal(w.orders, want) || c.order == "" && w.orders != nil {
			t.Errorf("%s %s %s: orders %q, want %q", c.method, c.path, c.body, w.orders, c.order)
		}
	}
	w.orderErr = errors.New("no leader")
	got := ask(t, "PUT", "http://"+r.public+"/drains/n2", "")
	if want := `{"error":true,"code":"ORDER_NOT_TAKEN","message":"etcd did not take the order: no leader"}`; got.code != 503 || got.body != want {
		t.Errorf("%d %s, want 503 %s", got.code, got.body, want)
	}
	if got := ask(t, "PUT", "http://"+r.peer+"/drains/n2", ""); got.code != 404 {
		t.Errorf("the peer port answers %d", got.code)
	}
}
