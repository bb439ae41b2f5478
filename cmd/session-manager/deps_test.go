package main

import (
	"os/exec"
	"strings"
	"testing"
)

// Dependencies go one way: cmd -> node -> {router, ring/gossip, node/etcd, node/store,
// node/session} -> {node/ownership, ring}, never back and never sideways; bench is for cmd and tests.
func TestDependencies(t *testing.T) {
	pure := []string{"session-manager/node/ownership", "session-manager/node/keyless", "session-manager/node/rarely", "session-manager/ring"}
	allowed := map[string][]string{
		"session-manager/node/ownership":   {},
		"session-manager/node/keyless":     {},
		"session-manager/node/rarely":      {},
		"session-manager/ring":             {},
		"session-manager/ring/gossip":      pure,
		"session-manager/node/certificate": {},
		"session-manager/node/crash":       pure,
		"session-manager/node/etcd":        pure,
		"session-manager/node/store":       pure,
		"session-manager/node/session":     pure,
		"session-manager/router":           append(pure, "session-manager/router/api", "session-manager/router/keys", "session-manager/router/peer"),
		"session-manager/router/peer":      {},
		"session-manager/router/api":       pure,
		"session-manager/router/keys":      pure,
		"session-manager/node": append(pure, "session-manager/ring/gossip", "session-manager/node/certificate", "session-manager/node/crash", "session-manager/node/entrance", "session-manager/node/etcd", "session-manager/node/store",
			"session-manager/node/session", "session-manager/router", "session-manager/router/api", "session-manager/router/keys", "session-manager/router/peer"),
	}
	for pkg, may := range allowed {
		for _, dep := range deps(t, pkg) {
			if strings.HasPrefix(dep, "session-manager/") && dep != pkg && !contains(may, dep) {
				t.Errorf("%s imports %s", pkg, dep)
			}
			if dep == "go.mau.fi/whatsmeow" && pkg != "session-manager/node/session" && pkg != "session-manager/node" {
				t.Errorf("%s can hold a *whatsmeow.Client", pkg)
			}
			if strings.Contains(strings.SplitN(dep, "/", 2)[0], ".") && pkg == "session-manager/node/ownership" {
				t.Errorf("%s imports %s; it is the standard library's alone", pkg, dep)
			}
		}
	}
	for _, dep := range deps(t, "session-manager/cmd/session-manager") {
		if strings.HasPrefix(dep, "session-manager/bench") {
			t.Errorf("the node's binary imports %s", dep)
		}
	}
}

func deps(t *testing.T, pkg string) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", pkg).Output()
	if err != nil {
		t.Fatalf("go list %s: %v", pkg, err)
	}
	return strings.Fields(string(out))
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}
