package cluster_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"session-manager/bench/cluster"
)

// etcd loses its data, or gets old data back. The nodes take nothing more and say what to do,
// while their sessions go on; the operator's command lets the cluster go on from there.
func TestEtcdLosesItsData(t *testing.T) {
	t.Run("wiped", func(t *testing.T) {
		w, data := withEtcdData(t)
		w.Etcd[0].Kill()
		w.must(os.RemoveAll(data))
		w.must(w.Etcd[0].Restart(within(t, 20*time.Second)))
		w.barred("or it was wiped")
	})
	t.Run("restored", func(t *testing.T) {
		w, data := withEtcdData(t)
		old := filepath.Join(t.TempDir(), "old")
		w.Etcd[0].Kill()
		w.must(os.CopyFS(old, os.DirFS(data)))
		w.must(w.Etcd[0].Restart(within(t, 20*time.Second)))
		before := w.revisionSeen()
		w.operate("drain", "node1") // what the copy has not seen
		w.operate("drain", "node1", "--undo")
		w.must(cluster.Await(within(t, 20*time.Second), "etcd's revision in the store", func(context.Context) (bool, string, error) {
			return w.revisionSeen() > before+4, "as before", nil
		}))
		w.Etcd[0].Kill()
		w.must(os.RemoveAll(data))
		w.must(os.CopyFS(data, os.DirFS(old)))
		w.must(w.Etcd[0].Restart(within(t, 20*time.Second)))
		w.barred("etcd was restored")
	})
}

func withEtcdData(t *testing.T) (*world, string) {
	w := begin(t, 4, cluster.Options{Nodes: 2, Store: cluster.Postgres})
	return w, filepath.Join(w.Dir(), "etcd1")
}

// revisionSeen is the highest of etcd's revisions that the nodes have written down.
func (w *world) revisionSeen() (revision int64) {
	ctx := within(w.t, soon)
	db, err := pgx.Connect(ctx, w.Store.URL())
	w.must(err)
	defer db.Close(ctx)
	w.must(db.QueryRow(ctx, "SELECT revision FROM birth").Scan(&revision))
	return revision
}

// barred checks what holds while etcd is not the one that the store knows, and after the
// operator's command.
func (w *world) barred(cause string) {
	t := w.t
	w.must(cluster.Await(within(t, 40*time.Second), "nodes that say so", func(context.Context) (bool, string, error) {
		for _, n := range w.Nodes() {
			log, err := os.ReadFile(n.LogPath())
			if err != nil || !strings.Contains(string(log), cause) {
				return false, n.Name() + " does not", err
			}
		}
		return true, "", nil
	}))
	time.Sleep(8 * time.Second) // longer than a lease
	for _, c := range w.clientes {
		w.send(w.Client(), c, "while etcd is not to be trusted")
		w.took(c, w.write(c, "while etcd is not to be trusted"), soon)
	}
	out, err := exec.CommandContext(within(t, 30*time.Second), filepath.Join(built.Dir(t), "session-manager"),
		"new-generation", "--store", w.Store.URL(), "--yes").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "generation 2") {
		t.Fatalf("new-generation: %v\n%s", err, out)
	}
	for _, c := range w.clientes {
		w.must(cluster.Await(within(t, 30*time.Second), "an owner of the new generation", func(ctx context.Context) (bool, string, error) {
			o, err := w.Client().Owner(ctx, c)
			return err == nil && strings.HasPrefix(o.Epoch, "2."), o.Owner + " " + o.Epoch, nil
		}))
		w.send(w.Client(), c, "in the new generation")
		w.arrivedOnce(c, "while etcd is not to be trusted", "in the new generation")
		w.took(c, w.write(c, "in the new generation"), soon)
	}
	w.clean(0)
}
