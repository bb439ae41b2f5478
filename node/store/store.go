// Package store is the credential store: what makes an account an account, shared by all
// nodes, in Postgres or in SQLite. It enforces what etcd decides: every write of an account's
// state commits only where the fence still holds the writer's token (see package ownership).
//
//   - Store: births, fences, which clientes should run;
//   - Account: one cliente's credentials and messages, under one ownership;
//   - fencedStore: whatsmeow's own stores, every write fenced.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"go.mau.fi/util/dbutil"
	"golang.org/x/time/rate"

	"session-manager/node/ownership"
)

var (
	// ErrUnavailable: the database cannot be reached, is read-only or full. Nothing was
	// written, or its transaction was not confirmed. It wraps the cause.
	ErrUnavailable = errors.New("credential store unavailable")
	// ErrMisconfigured: the store that was named cannot be one, whatever the wait.
	ErrMisconfigured = errors.New("credential store cannot be used")
	// ErrFailed: the database answered, and did not carry out a statement for a reason that is
	// not foreseen. errors.Is takes it for ErrUnavailable too.
	ErrFailed error = failed{}
	// ErrRefused: the database does not take a value. Nothing was written. It wraps the cause.
	ErrRefused = errors.New("credential store refuses a value")
	// ErrCorrupt: the stored credentials of this cliente cannot be read.
	ErrCorrupt = errors.New("stored credentials are corrupt")
)

// Config says where the store is.
type Config struct {
	URL string // postgres://... or sqlite:FILE
	// PasswordFile holds Postgres's password, which is read for each connection; "": it is as the URL says.
	PasswordFile string
	Process      ownership.Process // names this node's connections and fences
	Log          *slog.Logger
	MaxConns     int // to Postgres; 0: 16. SQLite has one: writers wait for each other anyway
	// OnRefused is called for each value of an account that the database refuses; nil: nobody counts them.
	OnRefused func()

	pooler bool // there is one before Postgres
}

// Store is the shared database. It is safe for concurrent use.
type Store struct {
	db        *dbutil.Database
	riding    *sql.DB // connections reserved for polls
	dialect   dialect
	lineage   lineage
	process   ownership.Process
	log       *slog.Logger
	address   string         // for people: without the password
	answer    time.Duration  // of one write
	failure   rate.Sometimes // the log tells of one
	refusal   rate.Sometimes // likewise of a value that was refused
	books     *books
	onRefused func()
	probe     probe
	patience  patience
	// together is for databases that are not compound; nil: this one is.
	together *together
}

// answerTime is how long one write may take, with its wait for a connection, before the store counts
// as out of reach: a server that hangs would else keep a send until its caller, whose clock is 30 s, has gone.
const answerTime = 8 * time.Second

// failureEvery is between two lines of the log about statements that were not carried out.
const failureEvery = 10 * time.Second

// dialect is what differs between the two databases.
type dialect interface {
	kind() string
	// lock runs fn while no other process migrates.
	lock(ctx context.Context, db *sql.DB, fn func() error) error
	// prepare brings settings of the database itself in order, after the migrations.
	prepare(ctx context.Context, s *Store)
	// compound says whether one statement can write to several tables.
	compound() bool
	// explain adds to an error of the database what to do about it, where that is not plain.
	explain(err error) error
	// lineage is how the database tells which one it is.
	lineage(ctx context.Context, s *Store) (lineage, error)
	// share follows a SELECT of a fence: it keeps the row as it is until the transaction ends.
	share() string
	// materialized follows AS in a CTE that must be evaluated exactly once.
	materialized() string
	// blob and text cast parameter n, where the database does not infer its type.
	blob(n int) string
	text(n int) string
	bigint(n int) string
	boolean(n int) string
	// list is a parameter of several texts, and elements the set of them where it is parameter n.
	list(texts []string) any
	elements(n int) string
	// now is the database's clock, in microseconds since 1970.
	now() string
	// reserve opens connections that nothing but polls uses.
	reserve(cfg Config) (*sql.DB, error)
	// raising carries out a raise, by fn.
	raising(ctx context.Context, s *Store, fn func(ctx context.Context, q rower) error) error
	// unblock ends the connections of a former owner that may keep the fence locked, where a raise
	// that was not done in time says so; false: trying it again would not help.
	unblock(ctx context.Context, s *Store, former ownership.Process, err error) bool
}

// Open connects to the database and brings its schema up to date. Its error names the
// address, never the password.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	s := &Store{process: cfg.Process, log: cfg.Log, answer: answerTime, probe: probe{turn: make(chan struct{}, 1)}, failure: rate.Sometimes{Interval: failureEvery},
		refusal: rate.Sometimes{First: 1, Interval: failureEvery}, onRefused: cfg.OnRefused}
	if err := cfg.lookForPooler(ctx); err != nil {
		return nil, err
	}
	raw, name, d, err := connect(cfg)
	if err != nil {
		return nil, err
	}
	s.address, s.dialect = withoutPassword(cfg.URL), d
	if s.db, err = dbutil.NewWithDB(raw, name); err != nil {
		_ = raw.Close()
		return nil, fmt.Errorf("store %s: %w", s.address, err)
	}
	if s.riding, err = s.dialect.reserve(cfg); err != nil {
		_ = raw.Close()
		return nil, fmt.Errorf("store %s: %w", s.address, err)
	}
	err = s.migrate(ctx, raw)
	if err == nil {
		s.lineage, err = s.dialect.lineage(ctx, s)
	}
	if err == nil {
		err = s.riding.PingContext(ctx) // now, rather than when no connection may be left
	}
	if err != nil {
		_ = s.Close()
		if unusable(err) {
			return nil, fmt.Errorf("%w: store %s: %w", ErrMisconfigured, s.address, err)
		}
		return nil, fmt.Errorf("%w: store %s: %w", ErrUnavailable, s.address, s.dialect.explain(err))
	}
	s.dialect.prepare(ctx, s)
	s.books = openBooks(s)
	if !s.dialect.compound() {
		s.together = openTogether(s)
	}
	return s, nil
}

// connect makes the database's connections, which it opens when they are needed; name is dbutil's of the
// database. Its error names the address, never the password.
func connect(cfg Config) (raw *sql.DB, name string, d dialect, err error) {
	switch {
	case strings.HasPrefix(cfg.URL, "postgres://"), strings.HasPrefix(cfg.URL, "postgresql://"):
		name = "pgx"
		raw, d, err = openPostgres(cfg)
	case strings.HasPrefix(cfg.URL, "sqlite:"):
		name = "sqlite3"
		raw, d, err = openSQLite(cfg)
	default:
		return nil, "", nil, fmt.Errorf("store %q: want postgres://... or sqlite:FILE", withoutPassword(cfg.URL))
	}
	if err != nil {
		return nil, "", nil, fmt.Errorf("%w: store %s: %w", ErrMisconfigured, withoutPassword(cfg.URL), err)
	}
	return raw, name, d, nil
}

// Close writes what is still to be booked, and ends the connections.
func (s *Store) Close() error {
	if s.books != nil {
		s.books.close()
	}
	if s.together != nil {
		s.together.close()
	}
	return errors.Join(s.riding.Close(), s.db.RawDB.Close())
}

// Kind is "postgres" or "sqlite".
func (s *Store) Kind() string { return s.dialect.kind() }

// Ping returns nil when the database answers.
func (s *Store) Ping(ctx context.Context) error { return s.wrap(s.db.RawDB.PingContext(ctx)) }

// Wanted are the clientes that are paired, and so should run: of those given, or of all where
// none is given.
func (s *Store) Wanted(ctx context.Context, of ...ownership.Cliente) ([]ownership.Cliente, error) {
	query := "SELECT cliente FROM clientes WHERE jid IS NOT NULL"
	var args []any
	if len(of) > 0 {
		var list strings.Builder
		for i, c := range of {
			fmt.Fprintf(&list, ", $%d", i+1)
			args = append(args, int64(c))
		}
		query += " AND cliente IN (" + list.String()[2:] + ")"
	}
	rows, err := s.db.Query(ctx, query, args...)
	scan := dbutil.ConvertRowFn[ownership.Cliente](dbutil.ScanSingleColumn[ownership.Cliente])
	all, err := scan.NewRowIter(rows, err).AsList()
	return all, s.wrap(err)
}

// Known says whether the cliente ever existed.
func (s *Store) Known(ctx context.Context, c ownership.Cliente) (bool, error) {
	var one int
	err := s.db.QueryRow(ctx, "SELECT 1 FROM clientes WHERE cliente = $1", int64(c)).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, s.wrap(err)
}

// wrap gives an error of the database its sentinel; those of ownership pass as they are, and
// that there is no row: a contact may name a message that was never sent.
func (s *Store) wrap(err error) error {
	for _, known := range []error{nil, sql.ErrNoRows, ErrUnavailable, ErrRefused, ErrCorrupt, ownership.ErrFenced, ownership.ErrLeaseLost,
		ownership.ErrReleased, ownership.ErrHandedOver, ownership.ErrNotOwner, ownership.ErrDraining, context.Canceled} {
		if errors.Is(err, known) {
			return err
		}
	}
	return s.judge(err)
}

func withoutPassword(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "(unreadable URL)"
	}
	if q := u.Query(); q.Has("password") || q.Has("sslpassword") {
		q.Del("password")
		q.Del("sslpassword")
		u.RawQuery = q.Encode()
	}
	return u.Redacted()
}

// micros is how moments are stored: microseconds since 1970, 0 for none.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}
