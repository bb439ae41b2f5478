package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"session-manager/bench/ca"
	"session-manager/bench/ports"
	"session-manager/node"
)

// A wrong certificate is exit 2 and one line that names flag and file.
func TestWrongCertificates(t *testing.T) {
	a, b := ca.New(t), ca.New(t)
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	a.Issue(path("cert"), path("key"), time.Hour)
	a.Issue(path("cert2"), path("key2"), time.Hour)
	a.Issue(path("expired"), path("expired-key"), -time.Minute)
	if err := os.WriteFile(path("garbage"), []byte("-----BEGIN NOTHING-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	public := func(cert, key string) []string {
		return []string{"--tls-cert-file", path(cert), "--tls-key-file", path(key)}
	}
	peer := func(cert, key, ca string) []string {
		return []string{"--peer-tls-cert-file", path(cert), "--peer-tls-key-file", path(key), "--peer-tls-ca-file", ca}
	}
	for name, row := range map[string]struct {
		args []string
		says []string
	}{
		"a certificate alone":       {public("cert", "key")[:2], []string{"--tls-key-file: needed with --tls-cert-file"}},
		"a key alone":               {public("cert", "key")[2:], []string{"--tls-cert-file: needed with --tls-key-file"}},
		"no such file":              {public("none", "key"), []string{"--tls-cert-file", path("none")}},
		"no such key":               {public("cert", "none"), []string{"--tls-key-file", path("none")}},
		"garbage":                   {public("garbage", "key"), []string{"--tls-cert-file", path("garbage")}},
		"another certificate's key": {public("cert", "key2"), []string{"--tls-key-file", path("key2"), "does not match"}},
		"peer: no authority given":  {peer("cert", "key", "")[:4], []string{"--peer-tls-ca-file: needed with"}},
		"peer: no such authority":   {peer("cert", "key", path("none")), []string{"--peer-tls-ca-file", path("none")}},
		"peer: another authority":   {peer("cert", "key", b.File), []string{"--peer-tls-cert-file", path("cert"), "unknown authority"}},
		"peer: expired":             {peer("expired", "expired-key", a.File), []string{"--peer-tls-cert-file", path("expired"), "expired"}},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errOut bytes.Buffer
			code := run(append([]string{"serve"}, row.args...), &out, &errOut)
			if code != 2 || strings.Count(errOut.String(), "\n") != 1 {
				t.Errorf("exit %d, %q; want 2 and one line", code, errOut.String())
			}
			for _, want := range row.says {
				if !strings.Contains(errOut.String(), want) {
					t.Errorf("%q lacks %q", errOut.String(), want)
				}
			}
		})
	}
}

// serving runs a node until the test ends, as Run would, and returns its addresses.
func serving(t *testing.T, args ...string) node.Addresses {
	t.Helper()
	return servingAs(t, func(*node.Options) {}, args...)
}

// servingAs is serving with options that no flag sets.
func servingAs(t *testing.T, change func(*node.Options), args ...string) node.Addresses {
	t.Helper()
	o := options(t, append([]string{"--listen", "127.0.0.1:0", "--data", t.TempDir(), "--node-name", "n1", "--drain-timeout", "5s",
		"--whatsapp-endpoint", "ws://127.0.0.1:1/ws/chat", "--whatsapp-root-key", strings.Repeat("a", 64)}, args...)...)
	change(&o)
	ready, done := make(chan node.Addresses, 1), make(chan error, 1)
	o.Ready = func(a node.Addresses) { ready <- a }
	ctx, cancel := context.WithCancel(context.Background())
	go func() { done <- node.Run(ctx, o) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	select {
	case a := <-ready:
		return a
	case err := <-done:
		done <- err
		t.Fatal(err)
	case <-time.After(30 * time.Second):
		t.Fatal("not ready")
	}
	return node.Addresses{}
}

// The operator's commands work against a node with certificates, and its trusted port; a
// renewal takes no restart, a bad one changes nothing.
func TestCommandsByTLS(t *testing.T) {
	a := ca.New(t)
	dir := t.TempDir()
	cert, key, file := filepath.Join(dir, "cert"), filepath.Join(dir, "key"), filepath.Join(dir, "keys")
	first := a.Issue(cert, key, time.Hour)
	command := func(args ...string) (code int, out, errOut string) {
		var o, e bytes.Buffer
		code = run(args, &o, &e)
		return code, strings.TrimSpace(o.String()), e.String()
	}
	_, apiKey, _ := command("keys", "make", "--file", file, "--name", "admin", "--clientes", "*,operator")
	trusted := free(t)
	at := serving(t, "--tls-cert-file", cert, "--tls-key-file", key, "--api-keys-file", file, "--trusted-listen", trusted)
	url := "https://" + at.Public
	for name, row := range map[string]struct {
		args []string
		code int
		says string
	}{
		"health":                   {[]string{"health", "--url", url, "--ca-file", a.File}, 0, ""},
		"health, trusted port":     {[]string{"health", "--url", "http://" + trusted}, 0, ""},
		"status":                   {[]string{"status", "--url", url, "--ca-file", a.File, "--key", apiKey}, 0, "n1"},
		"status, no key":           {[]string{"status", "--url", url, "--ca-file", a.File}, 1, "401"},
		"status, trusted port":     {[]string{"status", "--url", "http://" + trusted}, 0, "n1"},
		"drain, undone":            {[]string{"drain", "n1", "--undo", "--url", url + "/", "--ca-file", a.File, "--key", apiKey}, 0, ""},
		"this machine's authority": {[]string{"health", "--url", url}, 1, "unknown authority"},
		"plain HTTP":               {[]string{"health", "--url", "http://" + at.Public}, 1, ""},
		"no such authority":        {[]string{"health", "--url", url, "--ca-file", file + "2"}, 2, "--ca-file"},
		"authority of garbage":     {[]string{"health", "--url", url, "--ca-file", file}, 2, "--ca-file"},
		"keys list":                {[]string{"keys", "list", "--file", file}, 0, "admin"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errOut := command(row.args...)
			if code != row.code || !strings.Contains(out+errOut, row.says) || strings.Count(errOut, "\n") > 1 {
				t.Errorf("exit %d, %q, %q; want %d, %q", code, out, errOut, row.code, row.says)
			}
		})
	}
	shown := func() *big.Int {
		conn, err := tls.Dial("tcp", at.Public, &tls.Config{RootCAs: a.Pool(), MinVersion: tls.VersionTLS12})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber
	}
	if got := shown(); got.Cmp(first) != 0 {
		t.Errorf("shows %v, want %v", got, first)
	}
	second := a.Issue(cert, key, time.Hour)
	begun := time.Now()
	for shown().Cmp(second) != 0 {
		if time.Since(begun) > 10*time.Second {
			t.Fatal("the renewal was not noticed")
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Logf("renewed after %v", time.Since(begun).Round(time.Millisecond))
	if err := os.WriteFile(cert, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) { // longer than between two looks
		if got := shown(); got.Cmp(second) != 0 {
			t.Fatalf("a bad renewal: shows %v, want %v", got, second)
		}
	}
}

// free is an address on loopback that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	port, err := ports.Keep("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(port.Close)
	return port.Address()
}
