package cluster_test

import (
	"context"
	"database/sql"
	"fmt"
	"sort"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // database/sql driver "pgx"
	_ "modernc.org/sqlite"             // database/sql driver "sqlite"
)

// What a node writes about itself rather than about an account: it may change at any time.
var nodesOwn = map[string]bool{
	"birth": true, "notes": true, "probes": true, "crashes": true, "goose_db_version": true, "sqlite_sequence": true,
}

// dump is every row of every account's state, one a line, sorted.
func dump(ctx context.Context, t *testing.T, url string) string {
	t.Helper()
	driver, source, list := "pgx", url, "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
	if file, ok := strings.CutPrefix(url, "sqlite:"); ok {
		driver, source = "sqlite", "file:"+file+"?mode=ro&_pragma=busy_timeout(5000)"
		list = "SELECT name FROM sqlite_master WHERE type = 'table'"
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var lines []string
	tables := column(ctx, t, db, list)
	if len(tables) < 10 {
		t.Fatalf("%d tables: %v; whatsmeow alone has more", len(tables), tables)
	}
	for _, table := range tables {
		if !nodesOwn[table] {
			lines = append(lines, rows(ctx, t, db, table)...)
		}
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

func column(ctx context.Context, t *testing.T, db *sql.DB, query string) (all []string) {
	t.Helper()
	r, err := db.QueryContext(ctx, query)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for r.Next() {
		var s string
		if err := r.Scan(&s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// rows are a table's rows as text, whatever their columns are.
func rows(ctx context.Context, t *testing.T, db *sql.DB, table string) (lines []string) {
	t.Helper()
	r, err := db.QueryContext(ctx, `SELECT * FROM "`+table+`"`)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	names, err := r.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for r.Next() {
		values := make([]any, len(names))
		for i := range values {
			values[i] = new(any)
		}
		if err := r.Scan(values...); err != nil {
			t.Fatal(err)
		}
		line := table
		for i, v := range values {
			line += fmt.Sprintf(" %s=%v", names[i], *v.(*any))
		}
		lines = append(lines, line)
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

// firstDifference is the first line that only one of two dumps has, shortened.
func firstDifference(before, after string) string {
	in := func(text string) map[string]bool {
		set := make(map[string]bool)
		for line := range strings.SplitSeq(text, "\n") {
			set[line] = true
		}
		return set
	}
	old, now := in(before), in(after)
	for line := range now {
		if !old[line] {
			return "new: " + line[:min(len(line), 300)]
		}
	}
	for line := range old {
		if !now[line] {
			return "gone: " + line[:min(len(line), 300)]
		}
	}
	return ""
}
