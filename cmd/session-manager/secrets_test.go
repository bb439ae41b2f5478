package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"session-manager/node"
	"session-manager/node/etcd"
	"session-manager/node/ownership"
)

// peerStatus is what a peer port answers to somebody who shows nothing.
func peerStatus(t *testing.T, address string) int {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, "http://"+address+"/status", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Cliente-Id", "51")
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode
}

// A node without a secret file makes one where its etcd is its own, and the same at its next start.
func TestFaultC4OwnSecret(t *testing.T) {
	data := t.TempDir()
	var first string
	for range 2 {
		t.Run("start", func(t *testing.T) {
			if got := peerStatus(t, serving(t, "--data", data).Peer); got != http.StatusForbidden {
				t.Errorf("the peer port answers %d, want 403", got)
			}
		})
		path := filepath.Join(data, "secret")
		secret, err := os.ReadFile(path)
		if info, statErr := os.Stat(path); err != nil || statErr != nil || len(secret) != 32 || info.Mode().Perm() != 0o600 {
			t.Fatalf("%d bytes, %v, %v", len(secret), err, info)
		}
		if first != "" && first != string(secret) {
			t.Error("another secret at the second start")
		}
		first = string(secret)
	}
}

// With an etcd that nodes share they agree on a secret there, and a node that is given another one exits.
func TestFaultC4C6SecretsOfACluster(t *testing.T) {
	endpoint := sharedEtcd(t)
	shared := func(o *node.Options) { o.Etcd.Endpoints = []string{endpoint} }
	at := servingAs(t, shared)
	if got := peerStatus(t, at.Peer); got != http.StatusForbidden {
		t.Errorf("the peer port answers %d, want 403", got)
	}
	c, err := etcd.Open(etcd.Config{Endpoints: []string{endpoint}, Timing: ownership.DefaultTiming(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if secret, err := c.AgreeSecret(context.Background(), "mine"); err != nil || len(secret) != 64 {
		t.Errorf("the agreed secret has %d digits, %v", len(secret), err)
	}
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, make([]byte, 32), 0o600); err != nil {
		t.Fatal(err)
	}
	o := options(t, "--listen", "127.0.0.1:0", "--data", t.TempDir(), "--node-name", "stranger", "--cluster-secret-file", file)
	shared(&o)
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	var config node.ConfigError
	if err := node.Run(ctx, o); !errors.As(err, &config) || !errors.Is(err, etcd.ErrOtherSecret) {
		t.Errorf("a node with another secret: %v", err)
	}
	if code := ended(streams{io.Discard, io.Discard}, config); code != 2 {
		t.Errorf("exit %d, want 2", code)
	}
}

// sharedEtcd is an etcd that no node has for its own.
func sharedEtcd(t *testing.T) (endpoint string) {
	t.Helper()
	e, err := etcd.StartEmbedded(context.Background(), etcd.EmbeddedConfig{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e.Endpoint()
}
