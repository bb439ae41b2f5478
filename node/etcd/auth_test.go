package etcd

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"session-manager/node/ownership"
)

// guarded starts an etcd whose check of a password is quick, even with the race detector.
func guarded(t *testing.T, dir string) *Embedded {
	t.Helper()
	silent := new(atomic.Bool)
	cfg := embeddedConfig(EmbeddedConfig{Dir: dir, Log: quiet}, silent)
	cfg.BcryptCost = 4 // bcrypt's smallest
	e, err := start(deadline(t), cfg, silent)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// users makes the server ask for a user name; "node" may do all under /test/ and nothing else.
func users(t *testing.T, c *clientv3.Client) {
	t.Helper()
	ctx := deadline(t)
	var errs []error
	add := func(_ any, err error) { errs = append(errs, err) }
	add(c.UserAdd(ctx, "root", "root"))
	add(c.UserGrantRole(ctx, "root", "root"))
	add(c.RoleAdd(ctx, "node"))
	add(c.RoleGrantPermission(ctx, "node", "/test/", clientv3.GetPrefixRangeEnd("/test/"), clientv3.PermissionType(clientv3.PermReadWrite)))
	add(c.UserAdd(ctx, "node", "secret"))
	add(c.UserGrantRole(ctx, "node", "node"))
	add(c.AuthEnable(ctx))
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func user(t *testing.T, endpoint, prefix, password string) *Client {
	t.Helper()
	c, err := Open(Config{
		Endpoints: []string{endpoint}, Prefix: prefix, Username: "node", Password: password,
		Timing: ownership.DefaultTiming(), Log: quiet,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestUserAndPassword(t *testing.T) {
	dir := t.TempDir()
	e := guarded(t, dir)
	users(t, client(t, e.Endpoint()).kv)
	relay := newRelay(t, e.Endpoint())
	ctx := deadline(t)
	c := user(t, relay.address(), "/test/", "secret")
	lease := grantLong(t, c)
	if _, err := c.Renew(ctx, lease); err != nil {
		t.Errorf("renew: %v", err)
	}
	v := watch(t, c)
	if _, err := c.CreateOwner(ctx, 5, lease, me); err != nil {
		t.Fatal(err)
	}
	if ev := next(t, v); ev.Kind != OwnerSet {
		t.Errorf("%+v", ev)
	}

	elsewhere := user(t, e.Endpoint(), "/elsewhere/", "secret")
	_, err := elsewhere.CreateOwner(ctx, 5, lease, me)
	wantErr(t, "outside of the user's prefix", err, rpctypes.ErrPermissionDenied)
	if errors.Is(err, ownership.ErrUnknownOutcome) {
		t.Errorf("refused, but unknown: %v", err)
	}
	wantErr(t, "wrong password", user(t, e.Endpoint(), "/test/", "wrong").Ping(ctx), rpctypes.ErrAuthFailed)

	// The server's tokens end with it. The first call afterwards gets a new one by itself.
	relay.cut()
	e.Close()
	e = guarded(t, dir)
	t.Cleanup(relay.cut) // before the server closes, which would wait for the watch
	relay.to(e.Endpoint())
	eventually(t, 30*time.Second, "a call works", func() bool {
		_, err := c.CreateOwner(ctx, 6, lease, me)
		if err != nil && !errors.Is(err, ErrUnreachable) && !errors.Is(err, ownership.ErrUnknownOutcome) {
			t.Fatal(err)
		}
		return err == nil
	})
	if ev := next(t, v); ev.Kind != OwnerSet || ev.Cliente != 6 {
		t.Errorf("the view: %+v", ev)
	}
}

// Open with a user name does not wait for a server, and what it makes works once there is one.
func TestOpenBeforeTheServer(t *testing.T) {
	relay := newRelay(t, "")
	before := time.Now()
	c := user(t, relay.address(), "/test/", "secret")
	if took := time.Since(before); took > 5*time.Second {
		t.Errorf("opening took %v", took)
	}
	short, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	wantErr(t, "ping", c.Ping(short), ErrUnreachable)
	e := guarded(t, t.TempDir())
	users(t, client(t, e.Endpoint()).kv)
	relay.to(e.Endpoint())
	eventually(t, 30*time.Second, "a call works", func() bool { return c.Ping(deadline(t)) == nil })
}

func TestTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	endpoint := terminate(t, embedded(t).Endpoint(), tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key})
	ctx := deadline(t)
	for _, test := range []struct {
		name string
		tls  *tls.Config
		want error
	}{
		{"trusted", &tls.Config{RootCAs: roots}, nil},
		{"untrusted", &tls.Config{RootCAs: x509.NewCertPool()}, ErrUnreachable},
	} {
		c, err := Open(Config{Endpoints: []string{endpoint}, TLS: test.tls, Timing: ownership.DefaultTiming(), Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Ping(ctx); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", test.name, err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// terminate speaks TLS and passes what is in it on to a server.
func terminate(t *testing.T, target string, certificate tls.Certificate) (endpoint string) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := dialTarget(strings.TrimPrefix(target, "unix://"))
			if err != nil {
				_ = near.Close()
				continue
			}
			work.Go(func() { _, _ = io.Copy(far, near); _ = far.Close() })
			work.Go(func() { _, _ = io.Copy(near, far); _ = near.Close() })
		}
	})
	t.Cleanup(func() { _ = l.Close(); work.Wait() })
	return "https://" + l.Addr().String()
}

// TestFaultF5: the password is read again at each login, so that it may be changed while nodes run. Until it is,
// that is what they say.
func TestFaultF5(t *testing.T) {
	e := guarded(t, t.TempDir())
	users(t, client(t, e.Endpoint()).kv)
	root, err := Open(Config{Endpoints: []string{e.Endpoint()}, Prefix: "/test/", Username: "root", Password: "root", Timing: ownership.DefaultTiming(), Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	file := filepath.Join(t.TempDir(), "password")
	put := func(password string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("secret")
	c, err := Open(Config{Endpoints: []string{e.Endpoint()}, Prefix: "/test/", Username: "node", PasswordFile: file, Timing: ownership.DefaultTiming(), Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	ctx := deadline(t)
	lease := grantLong(t, c)
	if _, err := root.kv.UserChangePassword(ctx, "node", "other"); err != nil {
		t.Fatal(err)
	}
	var refusal *Refusal
	for what, call := range map[string]func() error{
		"renew":  func() error { _, err := c.Renew(ctx, lease); return err },
		"create": func() error { _, err := c.CreateOwner(ctx, 5, lease, me); return err },
	} {
		err := call()
		if !errors.As(err, &refusal) || !strings.Contains(err.Error(), "--etcd-password-file") || strings.Contains(err.Error(), "is it running") || errors.Is(err, ownership.ErrUnknownOutcome) {
			t.Errorf("%s: %v", what, err)
		}
	}
	put("other")
	if _, err := c.Renew(ctx, lease); err != nil {
		t.Errorf("renew: %v", err)
	}
	if _, err := c.CreateOwner(ctx, 5, lease, me); err != nil {
		t.Errorf("create: %v", err)
	}
}
