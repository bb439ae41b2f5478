package etcd

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	"session-manager/node/ownership"
)

// process runs an embedded etcd in a process of its own.
func process(t *testing.T, dir string) (endpoint string, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	in, err := cmd.StdinPipe() // ends with this process, and the child with it
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = in.Close()
	}
	t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "unix:///proc/") {
		t.Fatalf("the process says %q, %v", line, err)
	}
	return strings.TrimSpace(line), kill
}

func TestEmbeddedTakesUpItsPast(t *testing.T) {
	dir := t.TempDir()
	ctx := deadline(t)
	endpoint, kill := process(t, dir)
	c := client(t, endpoint)
	id := ownership.Identity{UUID: "u", Generation: 1}
	if err := c.CreateCluster(ctx, id); err != nil {
		t.Fatal(err)
	}
	lease := grantLong(t, c)
	revision, err := c.CreateOwner(ctx, 5, lease, me)
	if err != nil {
		t.Fatal(err)
	}

	_, err = StartEmbedded(ctx, EmbeddedConfig{Dir: dir, Log: quiet})
	wantErr(t, "while the other process runs", err, ErrDirInUse)
	if err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("the error does not name the directory: %v", err)
	}

	kill() // SIGKILL: nothing is tidied up
	for range 2 {
		e, err := StartEmbedded(ctx, EmbeddedConfig{Dir: dir, Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		c := client(t, e.Endpoint())
		if got, seen, err := c.Cluster(ctx); err != nil || got != id || seen < revision {
			t.Errorf("%+v at %d, %v; want %+v at %d or later", got, seen, err, id, revision)
		}
		want := Owner{Process: me, Lease: lease, Revision: revision}
		if o, ok, err := c.Owner(ctx, 5); err != nil || !ok || o != want {
			t.Errorf("%+v, %v, %v; want %+v", o, ok, err, want)
		}
		if _, err := c.Renew(ctx, lease); err != nil {
			t.Errorf("the lease does not outlive the process: %v", err)
		}
		e.Close()
	}
}

// A stand-alone etcd knows nothing of our lock file; its database is locked all the same.
func TestEmbeddedFindsAForeignEtcd(t *testing.T) {
	dir := t.TempDir()
	e, err := StartEmbedded(deadline(t), EmbeddedConfig{Dir: dir, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := os.Remove(dir + "/lock"); err != nil {
		t.Fatal(err)
	}
	_, err = StartEmbedded(deadline(t), EmbeddedConfig{Dir: dir, Log: quiet})
	wantErr(t, "second etcd", err, ErrDirInUse)
}

func TestEmbeddedStartIsCutShort(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancelCause(context.Background())
	enough := errors.New("enough")
	cancel(enough)
	if e, err := StartEmbedded(ctx, EmbeddedConfig{Dir: dir, Log: quiet}); err == nil {
		e.Close() // it was faster than the look at ctx
	} else {
		wantErr(t, "start", err, enough)
	}
	e, err := StartEmbedded(deadline(t), EmbeddedConfig{Dir: dir, Log: quiet})
	if err != nil {
		t.Fatalf("after a start that was cut short: %v", err)
	}
	e.Close()
}

// A process that died between the making of the log and its first entry: the log elects nobody.
// Only a directory whose etcd has never been ready is begun anew.
func TestEmbeddedFirstStartThatDied(t *testing.T) {
	dir := t.TempDir()
	ctx := deadline(t)
	first, err := beginFirstStart(dir)
	if err != nil || first.mark == "" {
		t.Fatalf("%+v, %v", first, err)
	}
	if err := os.Mkdir(dir+"/member", 0o700); err != nil {
		t.Fatal(err)
	}
	metadata, err := proto.Marshal(&etcdserverpb.Metadata{NodeID: new(uint64(1)), ClusterID: new(uint64(1))})
	if err != nil {
		t.Fatal(err)
	}
	w, err := wal.Create(zap.NewNop(), dir+"/member/wal", metadata)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	want := ownership.Identity{UUID: "u", Generation: 1}
	for life := range 2 {
		e, err := StartEmbedded(ctx, EmbeddedConfig{Dir: dir, Log: quiet})
		if err != nil {
			t.Fatalf("life %d: %v", life, err)
		}
		c := client(t, e.Endpoint())
		if life == 0 {
			err = c.CreateCluster(ctx, want)
		}
		if got, _, err2 := c.Cluster(ctx); err != nil || err2 != nil || got != want {
			t.Errorf("life %d: %+v, %v, %v; want %+v", life, got, err, err2, want)
		}
		e.Close()
	}
}

func TestEmbeddedNeedsItsDirectory(t *testing.T) {
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := StartEmbedded(deadline(t), EmbeddedConfig{Dir: file, Log: quiet}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v", err)
	}
}
