package store

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"

	"session-manager/node/ownership"
)

// lineage are SQL expressions that tell which database this is now. They are evaluated over the
// birth row; the row's own column stands for what the database does not tell, and so is as
// it was recorded.
type lineage struct{ system, timeline string }

// untold is the lineage of a database that tells nothing.
func untold() lineage { return lineage{system: "system_id", timeline: "timeline"} }

// same is a condition: the birth row's database is this one.
func (l lineage) same() string {
	return "system_id IN ('', " + l.system + ") AND timeline IN (0, " + l.timeline + ")"
}

func (sqliteDialect) lineage(context.Context, *Store) (lineage, error) { return untold(), nil }

// lineage asks once what the server tells. Managed servers may keep both to themselves.
func (postgresDialect) lineage(ctx context.Context, s *Store) (lineage, error) {
	l := lineage{
		system: "(SELECT system_identifier::text FROM pg_control_system())",
		// Not pg_control_checkpoint's, which is told of a promotion only by the next checkpoint.
		timeline: "('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint",
	}
	for _, part := range []struct {
		name    string
		sql     *string
		instead string
	}{{"system identifier", &l.system, untold().system}, {"timeline", &l.timeline, untold().timeline}} {
		var told any
		err := s.db.QueryRow(ctx, "SELECT "+*part.sql).Scan(&told)
		if err == nil {
			continue
		}
		if !keptBack(err) {
			return lineage{}, err
		}
		s.log.Warn("the database does not tell which one it is: a failover to a replica, or another database, goes unnoticed", "what", part.name, "err", err)
		*part.sql = part.instead
	}
	return l, nil
}

// keptBack says whether the server has answered that this role may not know, or that it has no
// such thing to tell.
func keptBack(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && slices.Contains([]string{
		"42501", // insufficient_privilege
		"42883", // undefined_function
		"0A000", // feature_not_supported
	}, e.Code)
}

// PutLineage writes down which database this is, where the birth row said was. Where the
// timeline is another than it said, a new generation of the cluster begins (protocol rule 13).
func (s *Store) PutLineage(ctx context.Context, was ownership.Lineage) error {
	l := s.lineage
	_, err := s.db.Exec(ctx, `UPDATE birth SET system_id = `+l.system+`, timeline = `+l.timeline+`,
			generation = generation + CASE WHEN timeline IN (0, `+l.timeline+`) THEN 0 ELSE 1 END,
			born = born AND timeline IN (0, `+l.timeline+`)
		WHERE id = 1 AND system_id = $1 AND timeline = $2 AND system_id IN ('', `+l.system+`)`, was.System, was.Timeline)
	return s.wrap(err)
}
