package store

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"session-manager/node/ownership"
)

// TestFaultF5: Postgres's password is read for each connection, from the file or the passfile, and a login
// that is refused says so.
func TestFaultF5(t *testing.T) {
	at := databases.URL(t)
	admin := open(t, at, "admin")
	ctx := deadline(t)
	do := func(statements ...string) {
		t.Helper()
		for _, s := range statements {
			if _, err := admin.db.Exec(ctx, s); err != nil {
				t.Fatal(err)
			}
		}
	}
	hba := column(t, admin, "SHOW hba_file")[0]
	rules, err := os.ReadFile(hba)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(hba, append([]byte("host all f5 127.0.0.1/32 scram-sha-256\nlocal all f5 scram-sha-256\n"), rules...), 0o600); err != nil {
		t.Fatal(err)
	}
	do("SELECT pg_reload_conf()", "CREATE ROLE f5 LOGIN SUPERUSER PASSWORD 'first'")
	defer do("SELECT pg_reload_conf()")
	defer func() { _ = os.WriteFile(hba, rules, 0o600) }()
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User("f5")
	dir := t.TempDir()
	for how, c := range map[string]struct {
		url  func(file string) string
		file bool // is --store-password-file
		line string
	}{
		"a file of the password": {func(string) string { return u.String() }, true, "PASSWORD\n"},
		"libpq's passfile": {func(file string) string {
			v := *u
			q := v.Query()
			q.Set("passfile", file)
			v.RawQuery = q.Encode()
			return v.String()
		}, false, "*:*:*:f5:PASSWORD\n"},
	} {
		do("ALTER ROLE f5 PASSWORD 'first'")
		file := filepath.Join(dir, strings.ReplaceAll(how, " ", "-"))
		put := func(password string) {
			t.Helper()
			if err := os.WriteFile(file, []byte(strings.ReplaceAll(c.line, "PASSWORD", password)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		put("first")
		cfg := Config{URL: c.url(file), Process: ownership.Process{Node: "n1", Incarnation: "of-n1"}, Log: quiet}
		if c.file {
			cfg.PasswordFile = file
		}
		s, err := Open(ctx, cfg)
		if err != nil {
			t.Fatalf("%s: %v", how, err)
		}
		cut := "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'f5'"
		do("ALTER ROLE f5 PASSWORD 'second'", cut)
		refused := s.Room(ctx)
		for try := 0; try < 3 && !errors.Is(refused, ErrLogin); try++ { // the first may find the connection cut
			refused = s.putProbe(ctx)
		}
		if !errors.Is(refused, ErrLogin) || !errors.Is(refused, ErrUnavailable) || !strings.Contains(refused.Error(), "--store-password-file") {
			t.Errorf("%s: refused: %v", how, refused)
		}
		put("second")
		if err := s.putProbe(ctx); err != nil {
			t.Errorf("%s: after the file was changed: %v", how, err)
		}
		if _, err := s.Poll(ctx); err != nil {
			if _, err = s.Poll(ctx); err != nil {
				t.Errorf("%s: the reserved connections: %v", how, err)
			}
		}
		_ = s.Close()
	}
}
