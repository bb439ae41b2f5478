package store

import (
	"context"
	"database/sql"
	"errors"

	"session-manager/node/ownership"
)

// Birth is what the store knows of the etcd that it belongs to (protocol rule 1).
type Birth struct {
	Identity ownership.Identity
	Born     bool  // etcd has once confirmed the identity
	Revision int64 // the highest of etcd's revisions that was seen

	Was, Is ownership.Lineage // of the database: as it is written down, and as it tells now
}

// Birth reads the birth, the zero Birth where there is none.
func (s *Store) Birth(ctx context.Context) (Birth, error) {
	var b Birth
	err := s.db.QueryRow(ctx, "SELECT uuid, generation, born, revision, system_id, timeline, "+s.lineage.system+", "+s.lineage.timeline+" FROM birth WHERE id = 1").
		Scan(&b.Identity.UUID, &b.Identity.Generation, &b.Born, &b.Revision, &b.Was.System, &b.Was.Timeline, &b.Is.System, &b.Is.Timeline)
	if errors.Is(err, sql.ErrNoRows) {
		return Birth{}, nil
	}
	return b, s.wrap(err)
}

// PutBirth writes an unconfirmed birth, unless there is one.
func (s *Store) PutBirth(ctx context.Context, id ownership.Identity) error {
	_, err := s.db.Exec(ctx, `INSERT INTO birth (id, uuid, generation, born, revision) VALUES (1, $1, $2, false, 0)
		ON CONFLICT (id) DO NOTHING`, id.UUID, id.Generation)
	return s.wrap(err)
}

// MarkBorn confirms the birth.
func (s *Store) MarkBorn(ctx context.Context) error {
	_, err := s.db.Exec(ctx, "UPDATE birth SET born = true WHERE id = 1")
	return s.wrap(err)
}

// SawRevision keeps the highest revision of etcd that anybody reports.
func (s *Store) SawRevision(ctx context.Context, revision int64) error {
	_, err := s.db.Exec(ctx, "UPDATE birth SET revision = $1 WHERE id = 1 AND revision < $1", revision)
	return s.wrap(err)
}

// NewGeneration begins another life of the cluster: etcd's revisions may start anew, since
// tokens of the new generation are above all others. Nodes bind etcd to it by themselves, and
// sessions under older tokens end. Whatever database this is now is the cluster's. It returns the new identity. An error where there is no birth.
func (s *Store) NewGeneration(ctx context.Context) (ownership.Identity, error) {
	var id ownership.Identity
	err := s.db.QueryRow(ctx, `UPDATE birth SET generation = generation + 1, born = false, revision = 0, system_id = `+s.lineage.system+`, timeline = `+s.lineage.timeline+`
		WHERE id = 1 RETURNING uuid, generation`).Scan(&id.UUID, &id.Generation)
	if errors.Is(err, sql.ErrNoRows) {
		return id, errors.New("this store has never been used by a cluster: there is no generation to follow")
	}
	return id, s.wrap(err)
}
