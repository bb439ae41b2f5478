package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each mistake in a file, a flag or the environment is exit 2 and one line that names it.
func TestFaultD3MistakesAreNamed(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	node := []string{"--listen", "127.0.0.1:0", "--whatsapp-endpoint", "ws://127.0.0.1:1/ws/chat", "--whatsapp-root-key", strings.Repeat("a", 64)}
	serve := func(args ...string) []string { return append([]string{"serve", "--data", t.TempDir()}, args...) }
	config := func(text string) []string {
		return serve("--config", write(fmt.Sprintf("%x.yaml", text), text))
	}
	file := write("file", strings.Repeat("no database ", 100))
	for says, args := range map[string][]string{
		"serve-strat-rate":                       config("serve:\n  strat-rate: 7\n"),
		"unknown key liste":                      config("liste: 127.0.0.1:0\n"),
		"serve-a, serve-b":                       config("serve: {a: 1, b: [2]}\n"),
		"unknown key serv":                       config("serv: 1\n"),
		"--start-rate":                           config("start-rate: fast\n"),
		"unknown key start-rate":                 config("start-rate: {a: 1}\n"),
		"--config":                               config("serve: [1\n"),
		"none.yaml":                              serve("--config", filepath.Join(dir, "none.yaml")),
		`--listen: "127.0.0.1:99999": port`:      serve("--listen", "127.0.0.1:99999"),
		"--peer-listen":                          serve("--peer-listen", "127.0.0.1:-1"),
		"--gossip-listen":                        serve("--gossip-listen", "127.0.0.1:70000"),
		"--peer-advertise":                       serve("--peer-advertise", "10.0.0.1:70000"),
		"--etcd: want":                           serve("--etcd", "http://127.0.0.1:70000"),
		"--whatsapp-endpoint: \"127.0.0.1:70000": serve("--whatsapp-endpoint", "ws://127.0.0.1:70000/ws/chat", "--whatsapp-root-key", strings.Repeat("a", 64)),
		"5s to 1m0s":                             serve("--lease-ttl", "1s"),
		"TTL is 4s":                              serve("--lease-ttl", "4s"),
		"--etcd-user, --etcd-password-file":      serve("--etcd", "http://127.0.0.1:1", "--etcd-user", "x"),
		"--etcd-key-file: needed":                serve("--etcd", "http://127.0.0.1:1", "--etcd-cert-file", file),
		"--etcd: needed with":                    serve("--etcd-ca-file", file),
		"--cluster-secret-second-file":           serve("--cluster-secret-second-file", file),
		"--listen: listen tcp":                   append(serve(node...), "--listen", taken.Addr().String()),
		"--peer-listen: listen tcp":              append(serve(node...), "--peer-listen", taken.Addr().String()),
		"--trusted-listen: listen tcp":           append(serve(node...), "--trusted-listen", taken.Addr().String()),
		"--gossip-listen, --gossip-advertise":    append(serve(node...), "--gossip-listen", taken.Addr().String()),
		"--store: credential store cannot":       append(serve(node...), "--store", "sqlite:"+file),
		"--store: credential":                    append(serve(node...), "--store", "sqlite:"+dir),
		"the URL cannot be read":                 append(serve(node...), "--store", "postgres://user@host:70000/x"),
		"--store-password-file: only":            serve("--store-password-file", file),
		"--store-password-file: open":            serve("--store", "postgres://u@127.0.0.1:1/x", "--store-password-file", filepath.Join(dir, "none")),
		"--data":                                 append(serve(node...), "--data", file),
		"--url":                                  {"status", "--url", "127.0.0.1:3001"},
		"--url: \"http://127.0.0.1:99999":        {"status", "--url", "http://127.0.0.1:99999"},
		"--key-file":                             {"status", "--key-file", filepath.Join(dir, "none")},
		"holds no API key":                       {"status", "--key-file", file},
		"--clientes":                             {"keys", "make", "--file", filepath.Join(dir, "keys"), "--name", "x"},
		"operator is for a key":                  {"keys", "make", "--file", filepath.Join(dir, "keys"), "--name", "x", "--clientes", "51,operator"},
	} {
		var out, errOut bytes.Buffer
		code := run(args, &out, &errOut)
		last := errOut.String()
		last = last[strings.LastIndex(strings.TrimSuffix(last, "\n"), "\n")+1:] // a node's log comes before
		if code != 2 || !strings.HasPrefix(last, "session-manager: ") || !strings.Contains(last, says) {
			t.Errorf("%v: exit %d, %q; want 2 and one line with %s", args, code, errOut.String(), says)
		}
	}
}

// A flag stands in the file under its command, or by itself.
func TestFaultD3ConfigKeys(t *testing.T) {
	for _, text := range []string{"serve:\n  start-rate: 7\n", "start-rate: 7\nserve:\n", "serve-start-rate: 7\n", "url: http://127.0.0.1:1\nserve: {start-rate: 7}\n"} {
		file := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if o := options(t, "--config", file); o.StartRate != 7 {
			t.Errorf("%q: rate %d", text, o.StartRate)
		}
	}
}

func TestFaultD3Version(t *testing.T) {
	var out, errOut bytes.Buffer
	if code := run([]string{"--version"}, &out, &errOut); code != 0 || !strings.HasPrefix(out.String(), "session-manager ") {
		t.Errorf("exit %d, %q, %q", code, out.String(), errOut.String())
	}
}

// An operator's key is one that says so; a key of all clientes is none.
func TestFaultC8KeysSayWhatTheyAreFor(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	command := func(args ...string) string {
		var out, errOut bytes.Buffer
		if code := run(append(append([]string{"keys"}, args...), "--file", file), &out, &errOut); code != 0 {
			t.Fatalf("%v: exit %d, %s", args, code, errOut.String())
		}
		return strings.TrimSpace(out.String())
	}
	hub := command("make", "--name", "hub", "--clientes", "*")
	admin := command("make", "--name", "admin", "--clientes", "*,operator")
	if list := command("list"); !strings.Contains(list, "*,operator") || strings.Count(list, "operator") != 1 {
		t.Errorf("the list is\n%s", list)
	}
	at := serving(t, "--api-keys-file", file)
	for key, want := range map[string]int{hub: 1, admin: 0} {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(key+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, errOut bytes.Buffer
		if code := run([]string{"status", "--url", "http://" + at.Public, "--key-file", path}, &out, &errOut); code != want {
			t.Errorf("exit %d, want %d: %s", code, want, errOut.String())
		}
	}
}
