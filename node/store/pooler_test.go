package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"session-manager/bench/ports"
	"session-manager/node/ownership"
)

// pooled runs a PgBouncer before a new database, and returns its address.
func pooled(t *testing.T, mode string, more ...string) string {
	t.Helper()
	path, err := exec.LookPath("pgbouncer")
	if err != nil {
		if path = "/usr/sbin/pgbouncer"; exec.Command(path, "--version").Run() != nil {
			t.Skip("pgbouncer is not installed: deploy/install.sh pgbouncer")
		}
	}
	u, err := url.Parse(databases.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	port, err := ports.Keep(ports.Loopback)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(port.Close)
	config := filepath.Join(t.TempDir(), "pgbouncer.ini")
	text := fmt.Sprintf("[databases]\n* = host=%s port=%s user=%s\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\nauth_type = any\nunix_socket_dir =\n"+
		"pool_mode = %s\ndefault_pool_size = 30\n%s\n", u.Hostname(), u.Port(), u.User.Username(), port.Number(), mode, strings.Join(more, "\n"))
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{config}
	if os.Geteuid() == 0 {
		args = []string{"-u", "nobody", config}
	}
	command := exec.Command(path, args...)
	var said strings.Builder
	command.Stderr = &said
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
	u.Host = net.JoinHostPort(ports.Loopback, fmt.Sprint(port.Number()))
	for limit := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := pgx.Connect(deadline(t), u.String())
		if err == nil {
			_ = conn.Close(context.Background())
			return u.String()
		}
		if time.Now().After(limit) {
			_ = command.Process.Kill()
			t.Fatalf("%v; pgbouncer says %s", err, said.String())
		}
	}
}

// Behind a pooler that keeps a connection's server a store works, with the settings that its connections need.
func TestFaultD8BehindPooler(t *testing.T) {
	for name, more := range map[string]string{"refuses settings": "", "drops settings": ignoring} {
		t.Run(name, func(t *testing.T) { behindPooler(t, more) })
	}
}

const ignoring = "ignore_startup_parameters = idle_in_transaction_session_timeout,default_transaction_isolation,tcp_user_timeout"

func behindPooler(t *testing.T, more string) {
	s := open(t, pooled(t, "session", more), "n1")
	for name, want := range map[string]string{"idle_in_transaction_session_timeout": "1500ms", "default_transaction_isolation": "read committed", "tcp_user_timeout": "1500ms"} {
		if got := column(t, s, "SELECT current_setting('"+name+"')"); len(got) != 1 || got[0] != want && got[0] != strings.TrimSuffix(want, "ms") {
			t.Errorf("%s is %v, want %s", name, got, want)
		}
	}
	own(t, s, 51, 7)
	if _, _, err := s.Raise(deadline(t), 51, ownership.Token{Generation: 1, Revision: 6}, nil); err == nil {
		t.Error("a smaller token is taken")
	}
}

// One that gives each transaction another server is refused at once, with what to set.
func TestFaultD8TransactionPooling(t *testing.T) {
	for _, more := range []string{"", ignoring} {
		transactionPooling(t, more)
	}
}

func transactionPooling(t *testing.T, more string) {
	s, err := Open(deadline(t), Config{URL: pooled(t, "transaction", more), Process: ownership.Process{Node: "n1", Incarnation: "i1"}, Log: quiet})
	if err == nil {
		_ = s.Close()
	}
	if !errors.Is(err, ErrMisconfigured) || !strings.Contains(err.Error(), "pool_mode = session") {
		t.Errorf("got %v", err)
	}
}
