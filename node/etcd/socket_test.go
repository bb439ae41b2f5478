package etcd

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The embedded etcd opens no port, its socket lies where nobody else gets, however long the directory's path is, and
// one that a killed process left is in nobody's way.
func TestFaultC4EmbeddedEtcdHasNoPort(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long/", 40), "etcd")
	for range 2 {
		e, err := StartEmbedded(deadline(t), EmbeddedConfig{Dir: dir, Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(e.etcd.Peers); n != 0 {
			t.Errorf("%d listeners for peers", n)
		}
		for _, l := range e.etcd.Clients {
			if l.Addr().Network() != "unix" {
				t.Errorf("it listens on %v", l.Addr())
			}
		}
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
		c := client(t, e.Endpoint())
		if err := c.Ping(deadline(t)); err != nil {
			t.Error(err)
		}
		_ = c.Close()
		e.Close()
		l, err := net.Listen("unix", "/tmp/"+filepath.Base(t.TempDir())+".sock")
		if err != nil {
			t.Fatal(err)
		}
		left := l.Addr().String() // a socket file whose process is gone
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		_ = l.Close()
		if err := os.Rename(left, filepath.Join(dir, socketName)); err != nil {
			t.Skip("another file system:", err)
		}
	}
}

// What one node proposes all of them get, and who has none of the cluster's secrets is told so.
func TestFaultC6SecretsInEtcd(t *testing.T) {
	c := server(t)
	ctx := deadline(t)
	for _, proposal := range []string{"one", "two"} {
		if got, err := c.AgreeSecret(ctx, proposal); got != "one" || err != nil {
			t.Errorf("%s: %q, %v", proposal, got, err)
		}
	}
	for _, step := range []struct {
		mine []string
		want error
	}{
		{[]string{"a"}, nil}, {[]string{"a"}, nil}, {[]string{"b"}, ErrOtherSecret},
		{[]string{"a", "b"}, nil}, {[]string{"b", "a"}, nil}, {[]string{"b"}, nil}, {[]string{"a"}, ErrOtherSecret}, {[]string{"a", "b"}, nil},
	} {
		err := c.SettleFingerprints(ctx, step.mine)
		if step.want == nil && err != nil || step.want != nil {
			wantErr(t, strings.Join(step.mine, ","), err, step.want)
		}
	}
}
