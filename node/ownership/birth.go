package ownership

import (
	"errors"
	"fmt"
)

// Identity is what tells one cluster of etcd from another: it is in etcd's `cluster` key and
// in the store's birth row, and both must agree. The zero Identity stands for "none".
type Identity struct {
	UUID       string
	Generation int64
}

// Lineage tells one database from another, and a promoted copy from what it was a copy of. The
// zero value of a field stands for "not known".
type Lineage struct {
	System   string // of the database and its physical copies
	Timeline int64  // another one each time a copy is promoted
}

// Found is what a node found at start in both places (rule 1).
type Found struct {
	Store         Identity
	Was, Is       Lineage // of the store: as it is written down there, and now (rule 13)
	Born          bool    // the store knows that etcd has once confirmed the identity
	StoreRevision int64   // the highest etcd revision that the store has seen
	Etcd          Identity
	EtcdRevision  int64 // etcd's header revision
}

// Birth is the next step to a cluster and a store that belong together.
type Birth uint8

const (
	BirthWriteStore Birth = iota // both empty: write the store's row, born = false
	BirthWriteEtcd               // create etcd's record from the store's by compare-and-set
	BirthRenewEtcd               // replace etcd's record of an older generation likewise
	BirthLineage                 // write down the store's lineage; another timeline begins a new generation
	BirthMark                    // both stand and agree: mark the store's row as born
	BirthDone                    // nothing left to do
)

var (
	// ErrOtherStore: this etcd belongs to another credential store.
	ErrOtherStore = errors.New("this etcd belongs to another credential store (its cluster record is not the store's): check --etcd and --store")
	// ErrWiped: etcd lost its data. Fencing tokens would start anew below those of the fences.
	ErrWiped = errors.New("etcd is empty but the credential store was born with one: this is another etcd, check --etcd; or it was wiped, then run session-manager new-generation")
	// ErrOtherDatabase: what the store says was written when it was in another database.
	ErrOtherDatabase = errors.New("the credential store is another database than the one that the cluster ran with: check --store; or, if it was moved on purpose (dump and restore, pg_upgrade), run session-manager new-generation")
	// ErrOldStore: the store does not know of the generation that etcd has.
	ErrOldStore = errors.New("the credential store is of an older generation than etcd: it is a replaced primary or an old copy, check --store; or, if it was restored on purpose, run session-manager new-generation until the nodes are content")
	// ErrRestored: etcd was restored from an old copy, and would give out tokens a second time.
	ErrRestored = errors.New("etcd is behind what the credential store has seen of it: etcd was restored from an old copy, run session-manager new-generation")
)

// Settle says what comes next, step by step until BirthDone, or why this store and this
// etcd must not be used together. The order (store, etcd, mark) makes a crash between two
// steps harmless: an unborn store may meet an empty etcd, a born one may not.
func (f Found) Settle() (Birth, error) {
	none := Identity{}
	switch {
	case f.Was.System != "" && f.Is.System != f.Was.System:
		return 0, fmt.Errorf("%w (system identifier now: %s; written down: %s)", ErrOtherDatabase, f.Is.System, f.Was.System)
	case f.Store == none && f.Etcd == none:
		return BirthWriteStore, nil
	case f.Store == none:
		return 0, fmt.Errorf("%w (etcd: %s; the store is empty)", ErrOtherStore, f.Etcd.UUID)
	case f.Etcd == none && f.Born:
		return 0, fmt.Errorf("%w (store: %s, generation %d)", ErrWiped, f.Store.UUID, f.Store.Generation)
	case f.Etcd == none:
		return BirthWriteEtcd, nil
	case !f.Born && f.Etcd.UUID == f.Store.UUID && f.Etcd.Generation < f.Store.Generation:
		return BirthRenewEtcd, nil // an operator has begun a new generation
	case f.Etcd.UUID == f.Store.UUID && f.Etcd.Generation < f.Store.Generation:
		return 0, fmt.Errorf("%w (etcd: generation %d; store: %d)", ErrRestored, f.Etcd.Generation, f.Store.Generation)
	case f.Etcd.UUID == f.Store.UUID && f.Etcd.Generation > f.Store.Generation:
		return 0, fmt.Errorf("%w (etcd: generation %d; store: %d)", ErrOldStore, f.Etcd.Generation, f.Store.Generation)
	case f.Etcd != f.Store:
		return 0, fmt.Errorf("%w (etcd: %s generation %d; store: %s generation %d)",
			ErrOtherStore, f.Etcd.UUID, f.Etcd.Generation, f.Store.UUID, f.Store.Generation)
	case f.EtcdRevision < f.StoreRevision:
		return 0, fmt.Errorf("%w (etcd: %d, store has seen %d)", ErrRestored, f.EtcdRevision, f.StoreRevision)
	case f.Is != f.Was:
		return BirthLineage, nil
	case !f.Born:
		return BirthMark, nil
	}
	return BirthDone, nil
}
