package node

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

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
	PutLineage(ctx context.Context, was ownership.Lineage) error
}

// binding is etcd and the store as this node finds them bound to each other.
type binding struct {
	etcd    registry
	store   birthplace
	log     *slog.Logger
	metrics *metrics

	mu   sync.Mutex        // guards seen
	seen ownership.Lineage // of the store, the last time
}

// Settle is settle, and notices when the store has failed over meanwhile (rule 13). Then it returns
// a new generation, in which all sessions start anew.
func (b *binding) Settle(ctx context.Context) (ownership.Identity, error) {
	birth, err := settle(ctx, b.etcd, b.store)
	if err != nil {
		return ownership.Identity{}, err
	}
	b.mu.Lock()
	was := b.seen
	b.seen = birth.Is
	b.mu.Unlock()
	if was != (ownership.Lineage{}) && was != birth.Is {
		b.log.Error("the credential store has failed over to another copy of it: all sessions end and start anew",
			"timeline", birth.Is.Timeline, "was", was.Timeline, "generation", birth.Identity.Generation)
		b.metrics.failovers.Inc()
	}
	return birth.Identity, nil
}

// settle takes the steps of rule 1 until this etcd and this store belong together, and
// returns the birth, with the identity that they share. Several nodes may settle at once.
func settle(ctx context.Context, etcd registry, st birthplace) (store.Birth, error) {
	for {
		// etcd is read after the store: a revision that the store has seen was etcd's before.
		birth, err := st.Birth(ctx)
		if err != nil {
			return store.Birth{}, fmt.Errorf("read the store's birth: %w", err)
		}
		id, revision, err := etcd.Cluster(ctx)
		if err != nil {
			return store.Birth{}, fmt.Errorf("read etcd's cluster record: %w", err)
		}
		next, err := ownership.Found{
			Store: birth.Identity, Was: birth.Was, Is: birth.Is, Born: birth.Born, StoreRevision: birth.Revision,
			Etcd: id, EtcdRevision: revision,
		}.Settle()
		if err != nil {
			return store.Birth{}, err
		}
		switch next {
		case ownership.BirthWriteStore:
			err = st.PutBirth(ctx, ownership.Identity{UUID: ulid.Make().String(), Generation: 1})
		case ownership.BirthWriteEtcd:
			err = etcd.CreateCluster(ctx, birth.Identity)
		case ownership.BirthRenewEtcd:
			err = etcd.ReplaceCluster(ctx, id, birth.Identity)
		case ownership.BirthLineage:
			err = st.PutLineage(ctx, birth.Was)
		case ownership.BirthMark:
			err = st.MarkBorn(ctx)
		case ownership.BirthDone:
			return birth, st.SawRevision(ctx, revision)
		}
		if err != nil {
			return store.Birth{}, fmt.Errorf("bind etcd and the store to each other: %w", err)
		}
	}
}
