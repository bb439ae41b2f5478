package faults

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // database/sql driver "pgx"
)

// audit has Postgres itself look at every row of an account's state that is written: whether the
// process that writes it, by the name of its connection, still has the cliente's fence. Every
// write keeps the fence as it is until its transaction ends, so the trigger sees what the write
// saw, unless the write did not look.
type audit struct{ db *sql.DB }

// What is not an account's: a node's own, and what only grows for all accounts together. A fence
// is raised by whom it does not belong to yet.
var notAudited = map[string]bool{
	"birth": true, "notes": true, "probes": true, "crashes": true, "goose_db_version": true, "fences": true, "clientes": true,
	"audit": true, "audit_count": true, "whatsmeow_lid_map": true, "whatsmeow_version": true,
}

const auditSetup = `
CREATE TABLE audit (at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(), who TEXT, what TEXT, cliente BIGINT, owner TEXT);
CREATE SEQUENCE audit_seen;
CREATE FUNCTION audited() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	line jsonb := CASE TG_OP WHEN 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END;
	whose bigint;
	keeper text;
BEGIN
	PERFORM nextval('audit_seen');
	IF line ? 'cliente' THEN
		whose := (line->>'cliente')::bigint;
	ELSE
		SELECT cliente INTO whose FROM clientes WHERE jid = coalesce(line->>'our_jid', line->>'jid');
	END IF;
	SELECT incarnation INTO keeper FROM fences WHERE cliente = whose;
	IF keeper IS NOT NULL AND keeper <> split_part(current_setting('application_name'), ' ', 2) THEN
		INSERT INTO audit (who, what, cliente, owner) VALUES (current_setting('application_name'), TG_OP || ' ' || TG_TABLE_NAME, whose, keeper);
	END IF;
	RETURN NULL;
END $$`

func newAudit(ctx context.Context, url string) (*audit, error) {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(2)
	a := &audit{db}
	if err := a.setUp(ctx); err != nil {
		return nil, fmt.Errorf("audit: %w", errors.Join(err, db.Close()))
	}
	return a, nil
}

func (a *audit) setUp(ctx context.Context) error {
	tables, err := a.column(ctx, "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'")
	if err != nil {
		return err
	}
	statements := []string{auditSetup}
	for _, t := range tables {
		if !notAudited[t] {
			statements = append(statements, fmt.Sprintf(`CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON "%s" FOR EACH ROW EXECUTE FUNCTION audited()`, t))
		}
	}
	for _, s := range statements {
		if _, err := a.db.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", strings.SplitN(s, "\n", 2)[0], err)
		}
	}
	return nil
}

// sum tells how many rows were written that should not have been.
func (a *audit) sum(ctx context.Context, r *Result) error {
	stale, err := a.column(ctx, "SELECT at || ' ' || who || ': ' || what || ' of cliente ' || cliente || ', whose fence was of ' || owner FROM audit ORDER BY at")
	if err != nil {
		return err
	}
	seen, err := a.column(ctx, "SELECT last_value FROM audit_seen")
	if err != nil {
		return err
	}
	if seen[0] == "1" {
		return errors.New("the audit saw no row written: it is blind")
	}
	r.never("stale rows", len(stale))
	r.noteAll("stale row: %s", stale)
	return nil
}

func (a *audit) column(ctx context.Context, query string) (all []string, err error) {
	rows, err := a.db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}

func (a *audit) close() { _ = a.db.Close() }
