package cluster_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"
)

// audit has Postgres book who changes an account's state, by the names that nodes give to
// their connections: what a stale owner writes shows among all that its successor does.
type audit struct{ db *sql.DB }

func newAudit(ctx context.Context, t *testing.T, url string) *audit {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	tables := column(ctx, t, db, "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'")
	statements := []string{
		"CREATE TABLE audit (at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(), who TEXT NOT NULL, what TEXT NOT NULL)",
		`CREATE FUNCTION audited() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			INSERT INTO audit (who, what) VALUES (current_setting('application_name'), TG_OP || ' ' || TG_TABLE_NAME);
			RETURN NULL;
		END $$`,
	}
	for _, table := range tables {
		if !nodesOwn[table] {
			statements = append(statements, fmt.Sprintf(`CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON "%s" FOR EACH ROW EXECUTE FUNCTION audited()`, table))
		}
	}
	for _, s := range statements {
		if _, err := db.ExecContext(ctx, s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	return &audit{db}
}

// now is the database's clock, which the audit goes by.
func (a *audit) now(ctx context.Context, t *testing.T) (now time.Time) {
	t.Helper()
	if err := a.db.QueryRowContext(ctx, "SELECT clock_timestamp()").Scan(&now); err != nil {
		t.Fatal(err)
	}
	return now
}

// of lists what a node has changed since then, and how often.
func (a *audit) of(ctx context.Context, t *testing.T, node string, since time.Time) string {
	t.Helper()
	r, err := a.db.QueryContext(ctx, `SELECT what, count(*) FROM audit WHERE who LIKE '%' || $1 AND at > $2 GROUP BY what ORDER BY what`, " "+node, since)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var lines []string
	for r.Next() {
		var what string
		var n int
		if err := r.Scan(&what, &n); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("%s ×%d", what, n))
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, ", ")
}
