package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"session-manager/node"
)

// Secrets that others can read are told, each by its name, and only those.
func TestFaultC11SecretsThatLieOpen(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	file := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	data, closed := filepath.Join(dir, "data"), filepath.Join(dir, "closed")
	if err := errors.Join(os.Mkdir(data, 0o700), os.Chmod(data, 0o755), os.Mkdir(closed, 0o700)); err != nil {
		t.Fatal(err)
	}
	c := serveCmd{
		ClusterSecretFile: file("secret", 0o644), EtcdPasswordFile: file("password", 0o600), EtcdKey: file("etcd-key", 0o666), APIKeysFile: file("closed/keys", 0o644),
		Store: "postgres://me:hunter2@h/d?passfile=" + file("pgpass", 0o604),
	}
	var log bytes.Buffer
	c.warnExposed(node.Options{Data: data, Store: c.Store}, []string{"serve", "--store", c.Store}, slog.New(slog.NewTextHandler(&log, nil)))
	text := log.String()
	for _, want := range []string{"/secret ", "/etcd-key ", "/pgpass ", "/data ", "--store holds a password"} {
		if !strings.Contains(text, want) {
			t.Errorf("no word of %s:\n%s", want, text)
		}
	}
	if strings.Count(text, "\n") != 5 || strings.Contains(text, "hunter2") {
		t.Errorf("it says\n%s", text)
	}
}

func TestFaultC11KeyOnCommandLine(t *testing.T) {
	for _, key := range []string{"--key=smk_x", "--key smk_x"} {
		var out, errOut bytes.Buffer
		run(append([]string{"status", "--url", "http://127.0.0.1:1"}, strings.Fields(key)...), &out, &errOut)
		if !strings.Contains(errOut.String(), "--key-file") || strings.Contains(errOut.String(), "smk_x") {
			t.Errorf("%s: %q", key, errOut.String())
		}
	}
	t.Setenv("SESSION_MANAGER_API_KEY", "smk_x")
	var out, errOut bytes.Buffer
	if run([]string{"status", "--url", "http://127.0.0.1:1"}, &out, &errOut); strings.Contains(errOut.String(), "warning") {
		t.Errorf("the environment: %q", errOut.String())
	}
}

// SIGHUP does not end a node, and has it take another cluster secret.
func TestFaultF10HangupReadsAgain(t *testing.T) {
	etcd := sharedEtcd(t)
	secret := filepath.Join(t.TempDir(), "secret")
	second := filepath.Join(t.TempDir(), "second")
	write := func(path string, letter string) {
		if err := os.WriteFile(path, []byte(strings.Repeat(letter, 32)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(secret, "a")
	write(second, "b")
	hangup, read := make(chan struct{}), make(chan int, 10)
	var alone atomic.Bool // there is no second secret any more
	servingAs(t, func(o *node.Options) {
		o.Etcd.Endpoints = []string{etcd}
		o.Hangup = hangup
		o.ReadSecrets = func() ([][]byte, error) {
			c := serveCmd{ClusterSecretFile: secret, ClusterSecretAlso: second}
			if alone.Load() {
				c.ClusterSecretAlso = ""
			}
			secrets, err := c.clusterSecrets()
			read <- len(secrets)
			return secrets, err
		}
	}, "--cluster-secret-file", secret, "--cluster-secret-second-file", second)
	write(secret, "b")
	write(second, "a")
	for range 2 { // the second is taken when the first has been carried out
		select {
		case hangup <- struct{}{}:
		case <-time.After(20 * time.Second):
			t.Fatal("nobody listens")
		}
	}
	<-read
	write(secret, "x") // of another cluster: it stays with what it has
	alone.Store(true)
	hangup <- struct{}{}
	select {
	case hangup <- struct{}{}:
	case <-time.After(20 * time.Second):
		t.Fatal("a wrong secret ends it")
	}
}

func TestFaultF10HangupDoesNotEnd(t *testing.T) {
	address := free(t)
	command := program(t, "node", "serve", "--listen", address, "--data", t.TempDir(), "--node-name", "n1",
		"--whatsapp-endpoint", "ws://127.0.0.1:1/ws/chat", "--whatsapp-root-key", strings.Repeat("a", 64))
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 6)
	if _, err := out.Read(line); err != nil || string(line) != "ready " {
		t.Fatalf("%q, %v", line, err)
	}
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGHUP} {
		if err := command.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		if get(t, "http://"+address+"/readyz") == "" {
			t.Fatal("not ready after SIGHUP")
		}
	}
	_ = command.Process.Signal(syscall.SIGTERM)
	if err := command.Wait(); err != nil {
		t.Error(err)
	}
}

// A node that drains is not ended by it either.
func TestFaultF10HangupWhileDraining(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	hangups(ctx)
	cancel()
	time.Sleep(50 * time.Millisecond) // whoever passes signals on has noticed; where not, the test shows nothing
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond) // the signal would have ended this process
}

// A first start on a full disk is one line with directory and size, and exit 2.
func TestFaultF11FullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skip("only root mounts a small disk:", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, 0) })
	for name, fill := range map[string]int{"small": 0, "full": 2 << 20} {
		t.Run(name, func(t *testing.T) {
			_ = os.WriteFile(filepath.Join(dir, "fill"), make([]byte, fill), 0o600) // as much as goes in
			var out, errOut bytes.Buffer
			code := run([]string{"serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(dir, "data"), "--whatsapp-endpoint", "ws://127.0.0.1:1/ws/chat",
				"--whatsapp-root-key", strings.Repeat("a", 64)}, &out, &errOut)
			text := errOut.String()
			if code != 2 || strings.Count(text, "\n") != 1 || !strings.Contains(text, filepath.Join(dir, "data")) || !strings.Contains(text, "B") {
				t.Errorf("exit %d, %q", code, text)
			}
		})
	}
}
