package store

import (
	"context"
	"database/sql/driver"
	"hash/maphash"
	"reflect"
	"strings"
	"unicode/utf8"

	"database/sql"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"session-manager/node/ownership"
)

// Texts of strangers get into the store by many ways: their names, the names of their groups, JIDs, the IDs
// of their messages. Postgres refuses a text that holds NUL or is not UTF-8, as a parameter of a read too. So
// each text is cleaned where it enters the driver, whether the statement is ours or whatsmeow's.

// connector opens connections whose texts are cleaned, and whose isolation level is ours (connection).
type connector struct{ driver.Connector }

// Connect opens one.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if c, ok := conn.(*stdlib.Conn); ok {
		return connection{c}, err
	}
	return conn, err
}

// connection is one to Postgres.
type connection struct{ *stdlib.Conn }

// CheckNamedValue cleans a parameter.
func (c connection) CheckNamedValue(v *driver.NamedValue) error {
	switch value := v.Value.(type) {
	case string:
		v.Value = cleanText(value)
	case *string:
		if value != nil {
			v.Value = cleanText(*value)
		}
	case []string:
		clean := make([]string, len(value))
		for i, text := range value {
			clean[i] = cleanText(text)
		}
		v.Value = clean
	case driver.Valuer: // a JID, for one
		if p := reflect.ValueOf(value); p.Kind() == reflect.Pointer && p.IsNil() {
			break
		}
		inner, err := value.Value()
		if err != nil {
			return err
		}
		if text, ok := inner.(string); ok {
			v.Value = cleanText(text)
		}
	}
	return c.Conn.CheckNamedValue(v)
}

// cleanText returns a text as Postgres takes it: each NUL and each byte that is no UTF-8 is replaced.
func cleanText(text string) string {
	if strings.IndexByte(text, 0) < 0 && utf8.ValidString(text) {
		return text
	}
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

// BeginTx begins a transaction. What this package relies on is READ COMMITTED: a statement that waited for a
// fence sees what has become of it. The role's or the database's default may be another level.
func (c connection) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if opts.Isolation == driver.IsolationLevel(sql.LevelDefault) {
		opts.Isolation = driver.IsolationLevel(sql.LevelReadCommitted)
	}
	return c.Conn.BeginTx(ctx, opts)
}

// ExecContext repeats a statement that lost against others, unless it is part of a transaction.
func (c connection) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (result driver.Result, err error) {
	args = c.atOnce(ctx, query, args)
	err = c.repeated(ctx, func() error {
		result, err = c.Conn.ExecContext(ctx, query, args)
		return err
	})
	return result, err
}

// QueryContext repeats like ExecContext: pgx has read the first row by then, and with it any conflict.
func (c connection) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (rows driver.Rows, err error) {
	args = c.atOnce(ctx, query, args)
	err = c.repeated(ctx, func() error {
		rows, err = c.Conn.QueryContext(ctx, query, args)
		return err
	})
	return rows, err
}

// typed marks a ctx of a statement whose parameters have the types in Postgres that they have in Go.
func typed(ctx context.Context) context.Context { return context.WithValue(ctx, typedKey{}, true) }

type typedKey struct{}

// atOnce has a typed statement that its connection has not seen carried out in one round trip. Else pgx prepares
// it first, which pays from the second time on.
func (c connection) atOnce(ctx context.Context, query string, args []driver.NamedValue) []driver.NamedValue {
	if ctx.Value(typedKey{}) == nil {
		return args
	}
	data := c.Conn.Conn().PgConn().CustomData()
	seen, _ := data[seenStatements].(map[uint64]bool)
	id := maphash.String(statements, query)
	if seen[id] {
		return args
	}
	if seen == nil || len(seen) >= maxSeen {
		seen = make(map[uint64]bool)
		data[seenStatements] = seen
	}
	seen[id] = true
	return append([]driver.NamedValue{{Value: pgx.QueryExecModeExec}}, args...)
}

var statements = maphash.MakeSeed()

const (
	seenStatements = "statements that were carried out"
	maxSeen        = 512 // as pgx keeps prepared
)

func (c connection) repeated(ctx context.Context, run func() error) error {
	for try := 1; ; try++ {
		err := run()
		if !lostRace(err) || c.Conn.Conn().PgConn().TxStatus() != 'I' || !pauseBefore(ctx, try) {
			return err
		}
	}
}

// refused logs that the database refuses a value, and counts it: somebody's message or name is not stored
// as it came. The account goes on.
func (s *Store) refused(c ownership.Cliente, err error) {
	if s.onRefused != nil {
		s.onRefused()
	}
	s.refusal.Do(func() {
		s.log.Error("the credential store refuses a value that came from WhatsApp; it is set aside, the session goes on",
			"cliente", c, "store", s.address, "err", err)
	})
}
