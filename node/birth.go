package node

import (
	"context"
	"fmt"

	"github.com/oklog/ulid/v2"

	"session-manager/node/ownership"
	"session-manager/node/store"
)

// registry is etcd's half of the birth.
type registry interface {
	Cluster(ctx context.Context) (ownership.Identity, int64, error)
	CreateCluster(ctx context.Context, id ownership.Identity) error
	ReplaceCluster(ctx context.Context, old, id ownership.Identity) error
}

// birthplace is the store's half.
type birthplace interface {
	Birth(ctx context.Context) (store.Birth, error)
	PutBirth(ctx context.Context, id ownership.Identity) error
	MarkBorn(ctx context.Context) error
	SawRevision(ctx context.Context, revision int64) error
}

// settle takes the steps of rule 1 until this etcd and this store belong together, and
// returns the identity they share. Several nodes may settle at once.
func settle(ctx context.Context, etcd registry, st birthplace) (ownership.Identity, error) {
	for {
		// etcd is read after the store: a revision that the store has seen was etcd's before.
		birth, err := st.Birth(ctx)
		if err != nil {
			return ownership.Identity{}, fmt.Errorf("read the store's birth: %w", err)
		}
		id, revision, err := etcd.Cluster(ctx)
		if err != nil {
			return ownership.Identity{}, fmt.Errorf("read etcd's cluster record: %w", err)
		}
		next, err := ownership.Found{
			Store: birth.Identity, Born: birth.Born, StoreRevision: birth.Revision,
			Etcd: id, EtcdRevision: revision,
		}.Settle()
		if err != nil {
			return ownership.Identity{}, err
		}
		switch next {
		case ownership.BirthWriteStore:
			err = st.PutBirth(ctx, ownership.Identity{UUID: ulid.Make().String(), Generation: 1})
		case ownership.BirthWriteEtcd:
			err = etcd.CreateCluster(ctx, birth.Identity)
		case ownership.BirthRenewEtcd:
			err = etcd.ReplaceCluster(ctx, id, birth.Identity)
		case ownership.BirthMark:
			err = st.MarkBorn(ctx)
		case ownership.BirthDone:
			return id, st.SawRevision(ctx, revision)
		}
		if err != nil {
			return ownership.Identity{}, fmt.Errorf("bind etcd and the store to each other: %w", err)
		}
	}
}
