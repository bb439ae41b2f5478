package node

import (
	"errors"
	"strings"
	"testing"

	"session-manager/node/ownership"
)

// What callers, other nodes and sessions may take together is below the limit, with what a node needs itself.
func TestFaultC2DescriptorsAreDivided(t *testing.T) {
	postgres := Options{Store: "postgres://x", StoreConnections: 16, Etcd: Etcd{Endpoints: []string{"e"}}}
	all := postgres
	all.TrustedListen, all.ProfileListen = "127.0.0.1:0", "127.0.0.1:0"
	for _, row := range []struct {
		name     string
		limit    int
		o        Options
		sessions int // at least
		public   int // at least
	}{
		{"F9's", 100, postgres, 45, 8},
		{"C2's", 256, postgres, 128, 32},
		{"one node", 256, Options{Store: "sqlite:x"}, 128, 32},
		{"all ports", 1024, all, 400, 200},
		{"a container's", 1 << 20, all, 500000, 200000},
	} {
		d := divide(row.limit, row.o)
		sum := ownFiles + d.public + d.trusted + 2*d.peers + d.sessions
		if d.store > 0 {
			sum += d.store + pollFiles
		}
		if sum > row.limit || d.sessions < row.sessions || d.public < row.public {
			t.Errorf("%s: %+v takes %d of %d", row.name, d, sum, row.limit)
		}
	}
	bound := all
	bound.MaxConnections = 50
	if d := divide(1024, bound); d.public != 50 {
		t.Errorf("%+v, but an operator wants 50", d)
	}
}

// A node that takes over more than it can hold says no to the rest, and holds what it has.
func TestFaultF9TakesWhatItCanHold(t *testing.T) {
	k := newKeeperTest(t)
	full := divide(100, Options{Store: "sqlite:x"}).errNoFiles()
	k.keeper.Limit(2, full)
	for c := ownership.Cliente(1); c <= 5; c++ {
		k.keeper.Restore(c)
	}
	if n := k.keeper.count(); n != 2 {
		t.Errorf("%d clientes are kept, want 2", n)
	}
	_, _, err := k.keeper.Session(t.Context(), 9)
	if !errors.Is(err, full) || !strings.Contains(err.Error(), "ulimit -n") {
		t.Errorf("another one: %v", err)
	}
	if _, err := k.keeper.want(1, ownership.Requested); err != nil {
		t.Errorf("one that is kept: %v", err)
	}
}
