package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"golang.org/x/sys/unix"

	"session-manager/node/ownership"
)

const (
	defaultConns = 16
	// pollConns are as many as polls may overlap: ownership.Timing's PollTimeout over Poll.
	pollConns = 4
	// deadPeer is when a connection or a transaction whose other end is silent is given up
	// (rule 11): a paused process must not keep a fence locked against its successor.
	deadPeer = 1500 * time.Millisecond
	// hostTimeout is when a host that does not take a connection is given up.
	hostTimeout = 2 * time.Second
	// raiseWait is how long a statement of a raise takes before it ends who holds the fence.
	raiseWait = time.Second
	// migrationLock is the advisory lock that migrations take; an arbitrary number.
	migrationLock = 0x5e55_1047
)

type postgresDialect struct{}

func openPostgres(cfg Config) (*sql.DB, dialect, error) {
	c, err := postgresConfig(cfg)
	if err != nil {
		return nil, nil, err
	}
	// A server that many nodes ask for connections at once opens them slowly. To give one up before the
	// statement that waits for it would leave that refused, and the server with the work to do again.
	c.ConnConfig.ConnectTimeout = answerTime
	conns := cfg.MaxConns
	if conns == 0 {
		conns = defaultConns
	}
	c.MaxConns = int32(max(conns, 2)) // one holds the migrations' lock while others migrate
	pool, err := pgxpool.NewWithConfig(context.Background(), c)
	if err != nil {
		return nil, nil, err
	}
	db := sql.OpenDB(queued{connector{stdlib.GetPoolConnector(pool)}, pool})
	db.SetMaxIdleConns(0) // the pool keeps them
	return db, postgresDialect{}, nil
}

// queued takes connections from a pool that gives them to who has waited longest. database/sql gives
// them to anyone who waits, so that with thousands waiting some of them wait for many times as long.
type queued struct {
	driver.Connector
	pool *pgxpool.Pool
}

// Close is called by the database's own.
func (q queued) Close() error {
	q.pool.Close()
	return nil
}

func (postgresDialect) reserve(cfg Config) (*sql.DB, error) {
	c, err := postgresConfig(cfg)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector{stdlib.GetConnector(*c.ConnConfig, stdlib.OptionBeforeConnect(cfg.password))})
	db.SetMaxOpenConns(pollConns)
	db.SetMaxIdleConns(pollConns) // it never closes one for having been idle
	return db, nil
}

func postgresConfig(cfg Config) (*pgxpool.Config, error) {
	pool, err := pgxpool.ParseConfig(cfg.URL)
	if err != nil {
		// pgx's error may quote the URL with its password.
		return nil, errors.New("the URL cannot be read: want postgres://USER@HOST:PORT/DATABASE")
	}
	c := pool.ConnConfig
	c.RuntimeParams["application_name"] = applicationName(cfg.Process)
	c.RuntimeParams["default_transaction_isolation"] = "read committed" // of statements outside of transactions (values.go)
	c.RuntimeParams["idle_in_transaction_session_timeout"] = fmt.Sprint(deadPeer.Milliseconds())
	c.RuntimeParams["tcp_user_timeout"] = fmt.Sprint(deadPeer.Milliseconds())
	if cfg.pooler {
		setAfterwards(c)
	}
	c.ConnectTimeout = hostTimeout
	dialer := &net.Dialer{Timeout: hostTimeout, KeepAlive: 5 * time.Second, Control: userTimeout}
	c.DialFunc = dialer.DialContext
	pool.BeforeConnect = cfg.password
	return pool, nil
}

// userTimeout makes the kernel give up a connection whose sent bytes are not acknowledged.
func userTimeout(_, _ string, conn syscall.RawConn) error {
	var err error
	if e := conn.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(deadPeer.Milliseconds()))
	}); e != nil {
		return e
	}
	if errors.Is(err, unix.ENOPROTOOPT) || errors.Is(err, unix.EOPNOTSUPP) {
		return nil // a unix socket
	}
	return err
}

// applicationName names the process on its connections, within Postgres's 63 bytes: the
// incarnation, which is unique, comes first.
func applicationName(p ownership.Process) string {
	name := connectionsOf(p) + p.Node
	return name[:min(len(name), 63)]
}

// connectionsOf is how the names of a process's connections begin. Postgres rewrites what is
// not ASCII in the rest.
func connectionsOf(p ownership.Process) string { return "sm " + p.Incarnation + " " }

func (postgresDialect) kind() string         { return "postgres" }
func (postgresDialect) compound() bool       { return true }
func (postgresDialect) share() string        { return "FOR SHARE" }
func (postgresDialect) materialized() string { return "MATERIALIZED" }
func (postgresDialect) blob(n int) string    { return fmt.Sprintf("$%d::bytea", n) }
func (postgresDialect) text(n int) string    { return fmt.Sprintf("$%d::text", n) }
func (postgresDialect) bigint(n int) string  { return fmt.Sprintf("$%d::bigint", n) }
func (postgresDialect) boolean(n int) string { return fmt.Sprintf("$%d::boolean", n) }

func (postgresDialect) list(texts []string) any { return texts }
func (postgresDialect) elements(n int) string   { return fmt.Sprintf("(SELECT unnest($%d::text[]))", n) }

func (postgresDialect) now() string {
	return "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
}

func (postgresDialect) lock(ctx context.Context, db *sql.DB, fn func() error) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", migrationLock); err != nil {
		return err
	}
	defer conn.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", migrationLock)
	return fn()
}

// prepare sets the time-outs for the role too, since a pooler drops those of a connection.
// A role that may not do so goes on without.
func (postgresDialect) prepare(ctx context.Context, s *Store) {
	for _, setting := range []string{"idle_in_transaction_session_timeout", "tcp_user_timeout"} {
		query := fmt.Sprintf("ALTER ROLE CURRENT_USER SET %s = '%dms'", setting, deadPeer.Milliseconds())
		if _, err := s.db.Exec(ctx, query); err != nil && !isCode(err, "XX000") { // "tuple concurrently updated": another node does it
			s.log.Warn("the database role's time-outs could not be set; set them by hand if a pooler stands between", "setting", setting, "err", err)
		}
	}
}

// raising bounds a raise: then whoever holds the fence is ended.
func (postgresDialect) raising(ctx context.Context, s *Store, fn func(ctx context.Context, q rower) error) error {
	conn, err := s.db.RawDB.Conn(ctx) // what follows is timed: not the wait for a connection
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, raiseWait)
	defer cancel()
	return fn(ctx, conn)
}

// unblock finds nothing to end where what took so long was the database itself: then the raise may
// have come through all the same.
func (postgresDialect) unblock(ctx context.Context, s *Store, former ownership.Process, err error) bool {
	timedOut := errors.Is(err, context.DeadlineExceeded) || isCode(err, "57014") || isCode(err, "55P03") // query_canceled, lock_not_available
	if !timedOut || ctx.Err() != nil {
		return false
	}
	if former == (ownership.Process{}) || former == s.process {
		return true
	}
	var ended int
	err = s.db.QueryRow(ctx, `SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
		WHERE starts_with(application_name, $1) AND pid <> pg_backend_pid() AND xact_start IS NOT NULL`,
		connectionsOf(former)).Scan(&ended)
	s.log.Warn("the fence was not raised in time; the former owner's transactions, which may keep it locked, were ended", "node", former.Node, "ended", ended, "err", err)
	return err == nil
}

// explain: Postgres gives no more connections than it was told to.
func (postgresDialect) explain(err error) error {
	if isCode(err, "53300") { // too_many_connections
		return fmt.Errorf("%w: raise what Postgres allows (max_connections, or the limit of the role), or lower --store-connections of each node", err)
	}
	if loginRefused(err) {
		return fmt.Errorf("%w: %w: check the password (in --store, or --store-password-file), and that the role may log in", ErrLogin, err)
	}
	if unsupportedParameter(err) {
		return fmt.Errorf("%w: a pooler has come before Postgres: start this node again", err)
	}
	return err
}

func isCode(err error, code string) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == code
}
