package node

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"session-manager/node/ownership"
	"session-manager/node/store"
)

// birthFakes are an etcd and a store that remember only their birth.
type birthFakes struct {
	birth    store.Birth
	identity ownership.Identity
	revision int64
	failAt   int // the call that fails, counted from 1; 0: none
	calls    int
}

var errGone = errors.New("gone")

// settled is the identity that both share.
func settled(etcd registry, st birthplace) (ownership.Identity, error) {
	birth, err := settle(context.Background(), etcd, st)
	return birth.Identity, err
}

func (f *birthFakes) call() error {
	if f.calls++; f.calls == f.failAt {
		return errGone
	}
	return nil
}

func (f *birthFakes) Birth(context.Context) (store.Birth, error) { return f.birth, f.call() }
func (f *birthFakes) PutBirth(_ context.Context, id ownership.Identity) error {
	if f.birth.Identity == (ownership.Identity{}) {
		f.birth.Identity = id
	}
	return f.call()
}
func (f *birthFakes) PutLineage(_ context.Context, was ownership.Lineage) error {
	if f.birth.Was == was {
		if was.Timeline != 0 && was.Timeline != f.birth.Is.Timeline {
			f.birth.Identity.Generation++
			f.birth.Born = false
		}
		f.birth.Was = f.birth.Is
	}
	return f.call()
}
func (f *birthFakes) MarkBorn(context.Context) error { f.birth.Born = true; return f.call() }
func (f *birthFakes) SawRevision(_ context.Context, r int64) error {
	f.birth.Revision = max(f.birth.Revision, r)
	return f.call()
}
func (f *birthFakes) Cluster(context.Context) (ownership.Identity, int64, error) {
	return f.identity, f.revision, f.call()
}
func (f *birthFakes) CreateCluster(_ context.Context, id ownership.Identity) error {
	f.revision++
	f.identity = id
	return f.call()
}

func (f *birthFakes) ReplaceCluster(_ context.Context, old, id ownership.Identity) error {
	if f.identity == old {
		f.revision++
		f.identity = id
	}
	return f.call()
}

// After an operator's word, whatever etcd has, the nodes bind it to the new generation.
func TestSettleInANewGeneration(t *testing.T) {
	for name, left := range map[string]ownership.Identity{"wiped": {}, "restored": {UUID: "u", Generation: 1}} {
		f := &birthFakes{revision: 3, identity: left, birth: store.Birth{Identity: ownership.Identity{UUID: "u", Generation: 2}}}
		id, err := settled(f, f)
		if err != nil || id.Generation != 2 || f.identity != id || !f.birth.Born || f.birth.Revision != f.revision {
			t.Errorf("%s: %+v, %v; left %+v", name, id, err, f)
		}
	}
}

func TestSettleFromNothing(t *testing.T) {
	f := &birthFakes{revision: 1}
	id, err := settled(f, f)
	if err != nil || id.Generation != 1 || id.UUID == "" {
		t.Fatalf("got %+v, %v", id, err)
	}
	if f.identity != id || f.birth.Identity != id || !f.birth.Born || f.birth.Revision != f.revision {
		t.Errorf("left %+v", f)
	}
	again, err := settled(f, f)
	if err != nil || again != id {
		t.Errorf("the second time: %+v, %v", again, err)
	}
}

// Whatever call fails, settling again comes to the same end.
func TestSettleAfterAnyCrash(t *testing.T) {
	whole := &birthFakes{revision: 1}
	if _, err := settled(whole, whole); err != nil {
		t.Fatal(err)
	}
	for at := 1; at <= whole.calls; at++ {
		f := &birthFakes{revision: 1, failAt: at}
		if _, err := settled(f, f); !errors.Is(err, errGone) {
			t.Fatalf("call %d failed and settle says %v", at, err)
		}
		if id, err := settled(f, f); err != nil || f.identity != id || !f.birth.Born {
			t.Errorf("after a crash at call %d: %+v, %v", at, f, err)
		}
	}
}

func TestSettleRefuses(t *testing.T) {
	born := &birthFakes{revision: 9}
	id, err := settled(born, born)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		found birthFakes
		want  error
	}{
		"etcd wiped":    {birthFakes{birth: born.birth, revision: 1}, ownership.ErrWiped},
		"etcd restored": {birthFakes{birth: born.birth, identity: id, revision: 3}, ownership.ErrRestored},
		"another store": {birthFakes{identity: id, revision: 9}, ownership.ErrOtherStore},
		"another database": {birthFakes{birth: store.Birth{Identity: id, Born: true, Was: ownership.Lineage{System: "d"}, Is: ownership.Lineage{System: "e"}},
			identity: id, revision: 9}, ownership.ErrOtherDatabase},
		"a primary that was replaced": {birthFakes{birth: born.birth, identity: ownership.Identity{UUID: id.UUID, Generation: 2}, revision: 99}, ownership.ErrOldStore},
	} {
		if _, err := settled(&c.found, &c.found); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// counted is what a counter shows.
func counted(t *testing.T, c prometheus.Counter) float64 {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(c)
	families, err := r.Gather()
	if err != nil || len(families) != 1 {
		t.Fatal(families, err)
	}
	return families[0].GetMetric()[0].GetCounter().GetValue()
}

// Rule 13: whichever node sees the failover first, all of them find themselves in a new generation
// of the same etcd, and each says why once.
func TestStoreFailsOver(t *testing.T) {
	f := &birthFakes{revision: 1, birth: store.Birth{Is: ownership.Lineage{System: "d", Timeline: 1}}}
	var nodes []*binding
	for range 3 {
		nodes = append(nodes, &binding{etcd: f, store: f, log: slog.New(slog.DiscardHandler), metrics: newMetrics(prometheus.NewRegistry())})
	}
	want := func(when string, generation int64, failovers float64) {
		t.Helper()
		for _, n := range nodes {
			id, err := n.Settle(context.Background())
			if err != nil || id.Generation != generation || f.identity != id || !f.birth.Born || f.birth.Was != f.birth.Is {
				t.Errorf("%s: %+v, %v; left %+v", when, id, err, f)
			}
			if got := counted(t, n.metrics.failovers); got != failovers {
				t.Errorf("%s: %v failovers, want %v", when, got, failovers)
			}
		}
	}
	want("born", 1, 0)
	f.birth.Is.Timeline = 2
	want("promoted", 2, 1)
	want("later", 2, 1)
	f.birth.Was = ownership.Lineage{} // as a version wrote it that knew of none
	want("upgraded", 2, 1)
}
