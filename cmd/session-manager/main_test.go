package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"session-manager/node"
)

// Bad configuration is exit 2 and one line that names the flag.
func TestBadConfiguration(t *testing.T) {
	short := filepath.Join(t.TempDir(), "short")
	if err := os.WriteFile(short, []byte("too short"), 0o600); err != nil {
		t.Fatal(err)
	}
	for flag, args := range map[string][]string{
		"--nope":                {"--nope"},
		"--listen":              {"--listen", "nonsense"},
		"--insecure":            {"--listen", "0.0.0.0:3001"},
		"--node-name":           {"--node-name", "a b"},
		"--peer-listen":         {"--peer-listen", "x"},
		"--gossip-advertise":    {"--gossip-advertise", "x"},
		"--cluster-secret-file": {"--cluster-secret-file", short},
		"needed where":          {"--peer-listen", "0.0.0.0:7001"},
		"--etcd":                {"--etcd", "ftp://x"},
		"--etcd-prefix":         {"--etcd-prefix", "x"},
		"--etcd-ca-file":        {"--etcd-ca-file", short},
		"--store":               {"--store", "mysql://x"},
		"1 is not from":         {"--store-connections", "1"},
		"--store-connections":   {"--store-connections", "1001"},
		"--whatsapp-root-key":   {"--whatsapp-endpoint", "ws://127.0.0.1:1/ws/chat", "--whatsapp-root-key", "abc"},
		"only with":             {"--whatsapp-root-key", strings.Repeat("a", 64)},
		"--whatsapp-endpoint":   {"--whatsapp-endpoint", "http://x", "--whatsapp-root-key", strings.Repeat("a", 64)},
		"--trusted-listen":      {"--trusted-listen", "nonsense"},
		"every address":         {"--trusted-listen", "0.0.0.0:3002"},
		"is every address":      {"--trusted-listen", ":3002"},
		"[::]:3002 is every":    {"--trusted-listen", "[::]:3002"},
		"--pprof-listen":        {"--pprof-listen", "nonsense"},
		"0.0.0.0:6060 can be":   {"--pprof-listen", "0.0.0.0:6060", "--insecure"},
		":6060 can be reached":  {"--pprof-listen", ":6060"},
		"--api-keys-file":       {"--api-keys-file", short},
		"TTL is 1s":             {"--lease-ttl", "1s"},
		"whole seconds":         {"--lease-ttl", "4500ms"},
		"--lease-ttl":           {"--lease-ttl", "61s"},
		"--drain-timeout":       {"--drain-timeout", "0s"},
		"--idempotency-ret":     {"--idempotency-retention", "59m"},
		"-1h0m0s is neither":    {"--idempotency-retention=-1h"},
		"--start-rate":          {"--start-rate", "-1"},
		"--log-level":           {"--log-level", "loud"},
		"--log-format":          {"--log-format", "xml"},
	} {
		var out, errOut bytes.Buffer
		code := run(append([]string{"serve"}, args...), &out, &errOut)
		if code != 2 || strings.Count(errOut.String(), "\n") != 1 || !strings.Contains(errOut.String(), flag) {
			t.Errorf("%v: exit %d, %q; want 2 and one line with %s", args, code, errOut.String(), flag)
		}
	}
}

// options parses a command line as serve would.
func options(t *testing.T, args ...string) node.Options {
	t.Helper()
	var c cli
	parser, err := kong.New(&c, kong.Vars{"hostname": "host", "version": "test"}, kong.Configuration(loadConfig), kong.DefaultEnvars("SESSION_MANAGER"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(append([]string{"serve"}, args...)); err != nil {
		t.Fatal(err)
	}
	o, err := c.Serve.options(streams{io.Discard, io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestDefaults(t *testing.T) {
	o := options(t)
	if o.Listen != "127.0.0.1:3001" || o.Name != "host" || o.PeerListen != "127.0.0.1:0" || o.Etcd.Prefix != "/session-manager/" ||
		o.WhatsAppEndpoint != "" || o.Data == "" || o.StoreConnections != 16 || o.StartRate != 100 || o.ProfileListen != "" || o.Retention.Hours() != 7*24 {
		t.Errorf("%+v", o)
	}
}

func TestSources(t *testing.T) {
	t.Setenv("SESSION_MANAGER_NODE_NAME", "from-environment")
	t.Setenv("PORT", "4711")
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte("serve:\n  start-rate: 7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := options(t, "--config", file, "--lease-ttl", "6s")
	if o.Name != "from-environment" || o.Listen != "127.0.0.1:4711" || o.StartRate != 7 || o.Timing.TTL.String() != "6s" {
		t.Errorf("name %s, listen %s, rate %d, TTL %v", o.Name, o.Listen, o.StartRate, o.Timing.TTL)
	}
	if o := options(t, "--pprof-listen", "localhost:6060"); o.ProfileListen != "localhost:6060" {
		t.Errorf("--pprof-listen: %q", o.ProfileListen)
	}
	if o := options(t, "--listen", "127.0.0.1:9"); o.Listen != "127.0.0.1:9" {
		t.Errorf("--listen against PORT: %s", o.Listen)
	}
}

func TestKeysCommand(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	var out, errOut bytes.Buffer
	if code := run([]string{"keys", "make", "--file", file, "--name", "hub", "--clientes", "51"}, &out, &errOut); code != 0 || !strings.HasPrefix(out.String(), "smk_") {
		t.Fatalf("make: %d %q %q", code, out.String(), errOut.String())
	}
	out.Reset()
	if code := run([]string{"keys", "list", "--file", file}, &out, &errOut); code != 0 || !strings.Contains(out.String(), "hub") {
		t.Errorf("list: %d %q", code, out.String())
	}
	if code := run([]string{"keys", "revoke", "--file", file, "--name", "nobody"}, &out, &errOut); code != 1 {
		t.Errorf("revoke nobody: %d", code)
	}
	if code := run([]string{"keys", "make", "--file", file, "--name", "x", "--clientes", "abc"}, &out, &errOut); code != 2 {
		t.Errorf("bad clientes: %d", code)
	}
}

func TestStatusOfNobody(t *testing.T) {
	var out, errOut bytes.Buffer
	if code := run([]string{"status", "--url", "http://127.0.0.1:1"}, &out, &errOut); code != 1 || strings.Count(errOut.String(), "\n") != 1 {
		t.Errorf("%d %q", code, errOut.String())
	}
}
