package floor

import (
	"database/sql"
	"fmt"
	"net/url"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // database/sql driver "pgx"
	_ "modernc.org/sqlite"             // database/sql driver "sqlite", in pure Go
)

// postgresConns are as many as the product has.
const postgresConns = 16

// OpenDB opens a store, postgres://… or sqlite:FILE, and returns it with the name of its dialect.
// It is as durable as the product's: what is committed outlives a power cut.
func OpenDB(store string) (*sql.DB, string, error) {
	if file, ok := strings.CutPrefix(store, "sqlite:"); ok {
		settings := url.Values{"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)"}}
		db, err := sql.Open("sqlite", "file:"+url.PathEscape(file)+"?"+settings.Encode())
		if err != nil {
			return nil, "", err
		}
		db.SetMaxOpenConns(1) // thrice as fast with 100 clients as a pool, whose writers wait for one another in SQLite
		return db, "sqlite", nil
	}
	if !strings.HasPrefix(store, "postgres://") {
		return nil, "", fmt.Errorf("store %q: want postgres://… or sqlite:FILE", store)
	}
	db, err := sql.Open("pgx", store)
	if err != nil {
		return nil, "", err
	}
	db.SetMaxOpenConns(postgresConns)
	db.SetMaxIdleConns(postgresConns)
	return db, "postgres", nil
}
