package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// fault is whose fault an error of the database is, which decides what follows from it:
//
//	fault     | for example                               | what follows
//	----------|-------------------------------------------|---------------------------------------------------
//	away      | no connection, disk full, read-only       | ErrUnavailable: the connection to WhatsApp ends
//	value     | SQLSTATE classes 21, 22, 23, 54; too big  | ErrRefused: the value is set aside, all else goes on
//	conflict  | SQLSTATE class 40                         | the transaction is repeated
//	unforeseen| anything else                             | ErrFailed: as away, in other words
type fault uint8

const (
	unforeseen fault = iota
	away
	value
	conflict
)

// faultOf says whose fault an error is.
func faultOf(err error) fault {
	var pg *pgconn.PgError
	var lite *sqlite.Error
	switch {
	case errors.As(err, &pg):
		return postgresFault(pg.Code)
	case errors.As(err, &lite):
		return sqliteFault(lite.Code())
	case unencodable(err):
		return value
	case unreached(err):
		return away
	}
	return unforeseen
}

// postgresFault goes by SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html).
func postgresFault(code string) fault {
	if len(code) != 5 {
		return unforeseen
	}
	switch code[:2] {
	case "08", // connection
		"25", // read-only, idle too long
		"28", // the login is refused
		"3D", // the database does not exist
		"53", // disk full, out of memory, too many connections
		"55", // locked
		"57", // shutdown, cancelled
		"58": // input and output
		return away
	case "21", // the same row twice in one statement
		"22", // data
		"23", // constraints
		"54": // too long for an index
		return value
	case "40":
		return conflict
	}
	if code == "42501" { // insufficient_privilege
		return away
	}
	return unforeseen
}

// sqliteFault goes by result code (https://www.sqlite.org/rescode.html).
func sqliteFault(code int) fault {
	if code == sqlite3.SQLITE_CONSTRAINT_TRIGGER { // somebody's own rule
		return unforeseen
	}
	switch code & 0xff {
	case sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH:
		return value
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL,
		sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_INTERRUPT:
		return away
	}
	return unforeseen
}

// unreached says whether an error that no database has given comes from the way to it.
func unreached(err error) bool {
	var network net.Error
	var connect *pgconn.ConnectError
	if errors.As(err, &network) || errors.As(err, &connect) || pgconn.Timeout(err) || pgconn.SafeToRetry(err) {
		return true
	}
	for _, known := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, driver.ErrBadConn, sql.ErrConnDone, sql.ErrTxDone,
		context.DeadlineExceeded, context.Canceled} {
		if errors.Is(err, known) {
			return true
		}
	}
	for _, known := range []string{"closed pool", "database is closed", "conn closed"} { // neither package has a sentinel
		if strings.Contains(err.Error(), known) {
			return true
		}
	}
	return false
}

// unencodable says whether a driver could not even write a value down: a number that is too large, for one.
func unencodable(err error) bool { // neither has a sentinel
	return strings.Contains(err.Error(), "unable to encode") || strings.Contains(err.Error(), "sql: converting argument")
}

// lostRace says whether a transaction was given up in favour of others, so that it may be repeated.
func lostRace(err error) bool { return err != nil && faultOf(err) == conflict }

const (
	// maxRepeats is how often a transaction is repeated; at this many losses in a row something else is wrong.
	maxRepeats  = 20
	repeatPause = 2 * time.Millisecond // grows with the number of the try
)

// pauseBefore waits a moment before a transaction is repeated; false: it is not to be.
func pauseBefore(ctx context.Context, try int) bool {
	if try > maxRepeats {
		return false
	}
	timer := time.NewTimer(rand.N(time.Duration(try) * repeatPause))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// failed is the kind of ErrFailed: whoever must know whether the store carried a statement out treats it as
// ErrUnavailable, and only people are told something else.
type failed struct{}

func (failed) Error() string        { return "credential store failed a statement" }
func (failed) Is(target error) bool { return target == ErrUnavailable }
func (s *Store) judge(err error) error {
	sentinel := ErrFailed
	switch faultOf(err) {
	case away, conflict:
		sentinel = ErrUnavailable
	case value:
		sentinel = ErrRefused
	}
	return fmt.Errorf("%w: %w", sentinel, s.dialect.explain(err))
}

// attempt is one try at a transaction.
type attempt struct {
	first error // of its statements that failed: Postgres refuses all that follow
	lost  bool  // it is to be repeated
}

// note books an error of a statement, and returns the one that it comes from.
func (a *attempt) note(err error) error {
	if a.first == nil {
		a.first = err
	} else if isCode(err, "25P02") { // in_failed_sql_transaction
		err = a.first
	}
	a.lost = a.lost || lostRace(err)
	return err
}

// aside returns nil where the database refuses a value that an account does without.
func aside(err error) error {
	if errors.Is(err, ErrRefused) {
		return nil
	}
	return err
}

// storable has put store a list of strangers' values but for those that the database refuses.
func storable[T any](list []T, put func([]T) error) error {
	err := put(list)
	if len(list) < 2 || !errors.Is(err, ErrRefused) {
		return aside(err)
	}
	half := len(list) / 2
	return errors.Join(storable(list[:half], put), storable(list[half:], put))
}
