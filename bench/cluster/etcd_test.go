package cluster_test

import (
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"session-manager/bench/cluster"
)

// A cluster of three survives the loss of a member, not of two, and comes back with its data.
func TestEtcdMembersStopAndComeBack(t *testing.T) {
	c, err := cluster.Start(within(t, 40*time.Second), cluster.Options{Etcd: 3, Emulator: true, BinDir: fakeDir(t, "etcd", "whatsapp-emulator"), Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	if len(c.Etcd) != 3 || len(c.PIDs()) != 4 {
		t.Fatalf("%d members, processes %v", len(c.Etcd), c.PIDs())
	}
	if _, err := c.Emulator.AddPhone(within(t, soon), "5491100000001", "Ana"); err != nil {
		t.Fatal(err)
	}
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{c.Etcd[0].Endpoint()}, DialTimeout: 5 * time.Second, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	put := func(value string, limit time.Duration) error {
		ctx := within(t, limit)
		for {
			_, err := client.Put(ctx, "key", value)
			if err == nil || ctx.Err() != nil {
				return err
			}
		}
	}
	if err := put("1", soon); err != nil {
		t.Fatal(err)
	}
	c.Etcd[2].Kill()
	if err := put("2", 30*time.Second); err != nil {
		t.Fatalf("two of three: %v", err)
	}
	if err := c.Etcd[1].Pause(); err != nil {
		t.Fatal(err)
	}
	if err := put("3", 700*time.Millisecond); err == nil {
		t.Fatal("one of three committed")
	}
	if err := c.Etcd[1].Resume(); err != nil {
		t.Fatal(err)
	}
	if err := c.Etcd[2].Restart(within(t, soon)); err != nil {
		t.Fatal(err)
	}
	if err := put("4", 30*time.Second); err != nil {
		t.Fatal(err)
	}
	if code, err := c.Etcd[2].Terminate(within(t, soon)); err != nil || c.Etcd[2].Running() {
		t.Fatalf("code %d, %v", code, err)
	}
}
