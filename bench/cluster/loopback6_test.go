package cluster_test

import (
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"session-manager/bench/cluster"
)

// Everything listens on [::1] alone: nodes find one another, etcd, Postgres and WhatsApp there, requests go
// round, and the operator's commands reach a node.
func TestFaultF4AllOfItOverIPv6(t *testing.T) {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("this machine has no IPv6: ", err)
	}
	_ = l.Close()
	w := begin(t, 4, cluster.Options{Nodes: 2, Store: cluster.Postgres, NodeArgs: []string{"--rebalance-rate", "0"},
		Place: func(string) (cluster.Place, error) { return cluster.Place{Host: "::1"}, nil }})
	for _, c := range w.clientes {
		owner := w.owner(c)
		for _, n := range w.Nodes() {
			if sent := w.send(n.Client(), c, "by "+n.Name()); sent.Owner != owner.Name() {
				t.Errorf("cliente %s by %s was served by %s, want %s", c, n.Name(), sent.Owner, owner.Name())
			}
		}
		w.arrivedOnce(c, "by node1", "by node2")
	}
	for _, args := range [][]string{{"status"}, {"move", w.clientes[0].String(), "--to", "node2"}} {
		command := exec.Command(filepath.Join(built.Dir(t), "session-manager"), append(args, "--url", w.Nodes()[0].URL())...)
		if out, err := command.CombinedOutput(); err != nil || !strings.Contains(string(out), "node2") {
			t.Errorf("%s: %v\n%s", args, err, out)
		}
	}
	// One is killed, and the other one takes over.
	w.Nodes()[0].Kill()
	for _, c := range w.clientes {
		_, err := w.Nodes()[1].Client().WaitReady(within(t, soon), c)
		w.must(err)
	}
}
