package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"session-manager/node/ownership"
)

// Convictions are no account's state, and no fence guards them. They are written in the name of a process
// that is dead, while the next owner may have raised the fence already: under the dead one's token they
// would be refused just when they are needed. What they say is true whoever owns the cliente, a second
// time it changes nothing, and the worst that a false one could do is a rest. Only the owner ends a rest
// before its time, under its fence.

const (
	// firstRest is how long a cliente rests after a crash; each further one doubles it.
	firstRest = 10 * time.Minute
	// longestRest bounds the doubling.
	longestRest = 24 * time.Hour
	// restMemory is how long after a rest another crash counts as a further one.
	restMemory = 24 * time.Hour
	// maxCause is how much of a crash's cause is kept, in bytes.
	maxCause = 500
)

// Crash is the end of a process, and the cliente to blame for it.
type Crash struct {
	Cliente ownership.Cliente
	Process ownership.Process // that died
	Ago     time.Duration     // how long ago
	Cause   string            // in words
}

// RestError says that a cliente rests, since a process has died of what WhatsApp sent to it.
type RestError struct {
	Left  time.Duration // of the rest
	Cause string        // of the crash, in words
}

func (e *RestError) Error() string {
	return fmt.Sprintf("cliente rests for %v after a crash: %s", e.Left.Round(time.Second), e.Cause)
}

// Court is the part of the store that convicts. It needs no migrations of its own: the process that died
// has made them.
type Court struct {
	db      *sql.DB
	dialect dialect
}

// OpenCourt connects to the database, when it is first asked; whether there is a pooler before it is asked now.
func OpenCourt(cfg Config) (*Court, error) {
	cfg.MaxConns = 2
	ctx, cancel := context.WithTimeout(context.Background(), hostTimeout)
	defer cancel()
	if err := cfg.lookForPooler(ctx); err != nil {
		return nil, err
	}
	raw, _, d, err := connect(cfg)
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", withoutPassword(cfg.URL), err)
	}
	return &Court{raw, d}, nil
}

// Close ends the connections.
func (c *Court) Close() error { return c.db.Close() }

// Court is the store's own.
func (s *Store) Court() *Court { return &Court{s.db.RawDB, s.dialect} }

// convict books a crash. While the cliente rests already, another process has died of the same: that
// makes the rest no longer. All moments are the database's.
const convict = `INSERT INTO crashes (cliente, incarnation, node, cause, crashed_at, rest, rests_until)
	SELECT $1, $2, $3, $4, died, CAST($5 AS BIGINT), died + CAST($5 AS BIGINT)
		FROM (SELECT (%[1]s) - CAST($6 AS BIGINT) AS died) AS clock WHERE true
	ON CONFLICT (cliente) DO UPDATE SET incarnation = excluded.incarnation, node = excluded.node, cause = excluded.cause,
		crashed_at = excluded.crashed_at, rest = %[2]s, rests_until = excluded.crashed_at + %[2]s
	WHERE crashes.incarnation <> excluded.incarnation AND crashes.crashed_at <= excluded.crashed_at
	RETURNING rests_until - (%[1]s)`

// further is the rest of a crash that is not the first.
const further = `CASE
	WHEN excluded.crashed_at < crashes.rests_until THEN crashes.rest
	WHEN excluded.crashed_at >= crashes.rests_until + CAST($8 AS BIGINT) THEN excluded.rest
	WHEN crashes.rest * 2 > CAST($7 AS BIGINT) THEN CAST($7 AS BIGINT)
	ELSE crashes.rest * 2 END`

// Convict books a crash, and returns for how long the cliente rests from now; 0 where that is over, or
// where the crash was known.
func (c *Court) Convict(ctx context.Context, crash Crash) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	var left int64
	err := c.db.QueryRowContext(ctx, fmt.Sprintf(convict, c.dialect.now(), further),
		int64(crash.Cliente), crash.Process.Incarnation, crash.Process.Node, plain(crash.Cause),
		firstRest.Microseconds(), max(0, crash.Ago).Microseconds(), longestRest.Microseconds(), restMemory.Microseconds()).Scan(&left)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return max(0, time.Duration(left)*time.Microsecond), err
}

// plain is a text that every database takes.
func plain(text string) string {
	text = strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "")
	return strings.ToValidUTF8(text[:min(len(text), maxCause)], "")
}

// resting is part of a query: for how long cliente c.cliente rests yet, and why; null where it does not.
func (s *Store) resting() string {
	now := s.dialect.now()
	return "(SELECT rests_until - (" + now + ") FROM crashes x WHERE x.cliente = c.cliente AND rests_until > (" + now + ")), " +
		"(SELECT cause FROM crashes x WHERE x.cliente = c.cliente)"
}

// rest is what resting selected.
type rest struct {
	left  sql.NullInt64
	cause sql.NullString
}

func (r rest) err() error {
	if !r.left.Valid {
		return nil
	}
	return &RestError{Left: time.Duration(r.left.Int64) * time.Microsecond, Cause: r.cause.String}
}

// EndRest ends the cliente's rest after a crash before its time. Another crash doubles it all the same.
func (a *Account) EndRest(ctx context.Context) error {
	_, err := a.put(ctx, "UPDATE crashes SET rests_until = "+a.store.dialect.now()+" FROM f WHERE cliente = $1 AND rests_until > "+a.store.dialect.now())
	return err
}

// ForgetCrashes deletes the convictions whose rest has been over for age, which say nothing any more.
func (s *Store) ForgetCrashes(ctx context.Context, age time.Duration) (int64, error) {
	r, err := s.db.Exec(ctx, "DELETE FROM crashes WHERE rests_until < "+s.dialect.now()+" - "+s.dialect.bigint(1), age.Microseconds())
	if err != nil {
		return 0, s.wrap(err)
	}
	return r.RowsAffected()
}
