package node

import (
	"context"
	"errors"
	"testing"

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
		id, err := settle(context.Background(), f, f)
		if err != nil || id.Generation != 2 || f.identity != id || !f.birth.Born || f.birth.Revision != f.revision {
			t.Errorf("%s: %+v, %v; left %+v", name, id, err, f)
		}
	}
}

func TestSettleFromNothing(t *testing.T) {
	f := &birthFakes{revision: 1}
	id, err := settle(context.Background(), f, f)
	if err != nil || id.Generation != 1 || id.UUID == "" {
		t.Fatalf("got %+v, %v", id, err)
	}
	if f.identity != id || f.birth.Identity != id || !f.birth.Born || f.birth.Revision != f.revision {
		t.Errorf("left %+v", f)
	}
	again, err := settle(context.Background(), f, f)
	if err != nil || again != id {
		t.Errorf("the second time: %+v, %v", again, err)
	}
}

// Whatever call fails, settling again comes to the same end.
func TestSettleAfterAnyCrash(t *testing.T) {
	whole := &birthFakes{revision: 1}
	if _, err := settle(context.Background(), whole, whole); err != nil {
		t.Fatal(err)
	}
	for at := 1; at <= whole.calls; at++ {
		f := &birthFakes{revision: 1, failAt: at}
		if _, err := settle(context.Background(), f, f); !errors.Is(err, errGone) {
			t.Fatalf("call %d failed and settle says %v", at, err)
		}
		if id, err := settle(context.Background(), f, f); err != nil || f.identity != id || !f.birth.Born {
			t.Errorf("after a crash at call %d: %+v, %v", at, f, err)
		}
	}
}

func TestSettleRefuses(t *testing.T) {
	born := &birthFakes{revision: 9}
	id, err := settle(context.Background(), born, born)
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
	} {
		if _, err := settle(context.Background(), &c.found, &c.found); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
