package certificate

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"session-manager/bench/ca"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// files is where a test keeps a certificate.
func files(t *testing.T, ca string) Files {
	dir := t.TempDir()
	return Files{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem"), CA: ca}
}

// issued is an open certificate of the authority.
func issued(t *testing.T, a *ca.Authority, believed string) (*Certificate, *big.Int) {
	t.Helper()
	f := files(t, believed)
	serial := a.Issue(f.Cert, f.Key, time.Hour)
	c, err := Open(f)
	if err != nil {
		t.Fatal(err)
	}
	return c, serial
}

// meet connects two sides and returns the serial that the server showed, and the error of each.
// Both sides say a word, since a server's refusal reaches the client after its handshake.
func meet(t *testing.T, server, client *tls.Config) (shown *big.Int, serverErr, clientErr error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	served := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
			_, err = io.WriteString(tls.Server(conn, server), "x")
		}
		served <- err
	}()
	raw, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	_ = raw.SetDeadline(time.Now().Add(5 * time.Second))
	conn := tls.Client(raw, client)
	_, clientErr = io.ReadFull(conn, make([]byte, 1))
	if state := conn.ConnectionState(); len(state.PeerCertificates) > 0 {
		shown = state.PeerCertificates[0].SerialNumber
	}
	_ = raw.Close() // a server that waits for us waits no longer
	return shown, <-served, clientErr
}

func TestOneSided(t *testing.T) {
	a := ca.New(t)
	c, serial := issued(t, a, "")
	shown, serverErr, clientErr := meet(t, c.Server(), &tls.Config{RootCAs: a.Pool(), ServerName: "127.0.0.1"})
	if serverErr != nil || clientErr != nil || shown.Cmp(serial) != 0 {
		t.Errorf("server %v, client %v, shown %v, want %v", serverErr, clientErr, shown, serial)
	}
	if _, _, clientErr = meet(t, c.Server(), &tls.Config{RootCAs: ca.New(t).Pool(), ServerName: "127.0.0.1"}); clientErr == nil {
		t.Error("a caller who trusts another authority was content")
	}
}

// Each side of a mutual connection refuses what does not come from the authority.
func TestMutual(t *testing.T) {
	a, b := ca.New(t), ca.New(t)
	ours, _ := issued(t, a, a.File)
	also, _ := issued(t, a, a.File)
	// Whoever made its own authority and shows a certificate of that one, trusting ours.
	theirs, _ := issued(t, b, b.File)
	stranger := theirs.Client()
	stranger.VerifyConnection = ours.Client().VerifyConnection
	impostor := theirs.Server()
	impostor.VerifyConnection = nil
	for name, row := range map[string]struct {
		server, client *tls.Config
		ok             bool
		serverSays     string
		clientSays     string
	}{
		"two of ours":              {ours.Server(), also.Client(), true, "", ""},
		"a client of another":      {ours.Server(), stranger, false, "unknown authority", "bad certificate"},
		"a client without any":     {ours.Server(), &tls.Config{RootCAs: a.Pool(), ServerName: "127.0.0.1"}, false, "didn't provide a certificate", "certificate required"},
		"a server of another":      {impostor, ours.Client(), false, "bad certificate", "unknown authority"},
		"a client of TLS 1.2":      {ours.Server(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}, false, "unsupported versions", "protocol version"},
		"a one-sided port of ours": {func() *tls.Config { c, _ := issued(t, a, ""); return c.Server() }(), ours.Client(), true, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, serverErr, clientErr := meet(t, row.server, row.client)
			if row.ok {
				if serverErr != nil || clientErr != nil {
					t.Errorf("server: %v, client: %v", serverErr, clientErr)
				}
				return
			}
			if serverErr == nil || clientErr == nil || !strings.Contains(serverErr.Error(), row.serverSays) || !strings.Contains(clientErr.Error(), row.clientSays) {
				t.Errorf("server: %v, client: %v; want %q, %q", serverErr, clientErr, row.serverSays, row.clientSays)
			}
		})
	}
}

func TestWrongFiles(t *testing.T) {
	a, b := ca.New(t), ca.New(t)
	good := files(t, a.File)
	a.Issue(good.Cert, good.Key, time.Hour)
	other := files(t, a.File)
	a.Issue(other.Cert, other.Key, time.Hour)
	garbage := filepath.Join(t.TempDir(), "garbage")
	if err := os.WriteFile(garbage, []byte("nothing of use"), 0o600); err != nil {
		t.Fatal(err)
	}
	expired, oneSide := files(t, a.File), files(t, a.File)
	a.Issue(expired.Cert, expired.Key, -time.Minute)
	a.Issue(oneSide.Cert, oneSide.Key, time.Hour, x509.ExtKeyUsageServerAuth)
	for name, row := range map[string]struct {
		files Files
		says  string // "": fine
	}{
		"good":                     {good, ""},
		"no certificate":           {Files{Cert: garbage + "2", Key: good.Key, CA: a.File}, garbage + "2"},
		"no key":                   {Files{Cert: good.Cert, Key: garbage + "2", CA: a.File}, garbage + "2"},
		"no authority":             {Files{Cert: good.Cert, Key: good.Key, CA: garbage + "2"}, garbage + "2"},
		"garbage":                  {Files{Cert: garbage, Key: good.Key}, garbage},
		"the key of another":       {Files{Cert: good.Cert, Key: other.Key}, "does not match"},
		"authority of garbage":     {Files{Cert: good.Cert, Key: good.Key, CA: garbage}, ErrNoAuthority.Error()},
		"authority of others":      {Files{Cert: good.Cert, Key: good.Key, CA: b.File}, "unknown authority"},
		"expired":                  {expired, "expired"},
		"expired, one-sided":       {Files{Cert: expired.Cert, Key: expired.Key}, ""},
		"for servers alone":        {oneSide, "usage"},
		"for servers, one-sided":   {Files{Cert: oneSide.Cert, Key: oneSide.Key}, ""},
		"the authority's own file": {Files{Cert: a.File, Key: good.Key}, "does not match"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(row.files)
			if (err == nil) != (row.says == "") || err != nil && !strings.Contains(err.Error(), row.says) {
				t.Errorf("%v, want %q", err, row.says)
			}
		})
	}
	if _, err := Open(Files{Cert: good.Cert, Key: good.Key, CA: garbage}); !errors.Is(err, ErrNoAuthority) {
		t.Errorf("%v is not ErrNoAuthority", err)
	}
}

// A renewal counts for the next connection; a bad one changes nothing, and is told once.
func TestRenewal(t *testing.T) {
	a := ca.New(t)
	c, first := issued(t, a, a.File)
	peer, _ := issued(t, a, a.File)
	var lines bytes.Buffer
	log := slog.New(slog.NewTextHandler(&lines, nil))
	look := func(want *big.Int, told string) {
		t.Helper()
		lines.Reset()
		c.reload(log)
		c.reload(log)
		if shown, _, err := meet(t, c.Server(), peer.Client()); err != nil || shown.Cmp(want) != 0 {
			t.Errorf("shows %v (%v), want %v", shown, err, want)
		}
		if got := strings.Count(lines.String(), "\n"); told == "" && got != 0 || told != "" && (got != 1 || !strings.Contains(lines.String(), told)) {
			t.Errorf("log: %q, want one line with %q", lines.String(), told)
		}
	}
	look(first, "")
	second := a.Issue(c.files.Cert, c.files.Key, 2*time.Hour)
	look(second, "was renewed")
	if left := time.Until(c.Expires()); left < 119*time.Minute || left > 2*time.Hour {
		t.Errorf("expires in %v", left)
	}
	a.Issue(c.files.Cert, c.files.Key, -time.Minute)
	look(second, "expired")
	ca.New(t).Issue(c.files.Cert, c.files.Key, time.Hour)
	look(second, "unknown authority")
	if err := os.Remove(c.files.Key); err != nil {
		t.Fatal(err)
	}
	look(second, "no such file")
	third := a.Issue(c.files.Cert, c.files.Key, time.Hour)
	look(third, "was renewed")
}

// A cluster changes its authority: both are trusted for a while, then the new one alone.
func TestAuthorityChanges(t *testing.T) {
	before, after := ca.New(t), ca.New(t)
	trusted := filepath.Join(t.TempDir(), "both.pem")
	join := func(paths ...string) {
		t.Helper()
		var text []byte
		for _, p := range paths {
			part, err := os.ReadFile(p)
			if err != nil {
				t.Fatal(err)
			}
			text = append(text, part...)
		}
		if err := os.WriteFile(trusted, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	join(before.File)
	one, _ := issued(t, before, trusted)
	two, _ := issued(t, before, trusted)
	quiet := slog.New(slog.DiscardHandler)
	step := func(what string) {
		t.Helper()
		one.reload(quiet)
		two.reload(quiet)
		for _, pair := range [][2]*Certificate{{one, two}, {two, one}} {
			if _, serverErr, clientErr := meet(t, pair[0].Server(), pair[1].Client()); serverErr != nil || clientErr != nil {
				t.Errorf("%s: server %v, client %v", what, serverErr, clientErr)
			}
		}
	}
	step("before")
	former := two.Client() // of somebody who has kept an old certificate, see below
	kept := two.now.Load().pair
	join(before.File, after.File)
	step("both are trusted")
	after.Issue(one.files.Cert, one.files.Key, time.Hour)
	step("one has a new certificate")
	after.Issue(two.files.Cert, two.files.Key, time.Hour)
	step("both have")
	join(after.File)
	step("the former is trusted no more")
	former.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &kept, nil }
	if _, serverErr, _ := meet(t, one.Server(), former); serverErr == nil {
		t.Error("a certificate of the former authority was accepted")
	}
}

func TestFollow(t *testing.T) {
	a := ca.New(t)
	c, _ := issued(t, a, "")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { c.Follow(ctx, time.Millisecond, slog.New(slog.DiscardHandler)); close(done) }()
	defer func() { cancel(); <-done }()
	a.Issue(c.files.Cert, c.files.Key, 3*time.Hour)
	for end := time.Now().Add(5 * time.Second); time.Until(c.Expires()) < 2*time.Hour; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the renewal was not noticed")
		}
	}
}
