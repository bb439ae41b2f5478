package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A pooler such as PgBouncer takes none of the settings that a connection begins with, so they are set when it
// has begun. That is the same where a connection keeps its server for its life (session pooling). Where each transaction
// gets another server (transaction pooling) a setting would be another connection's, the lock of the migrations nobody's,
// and a former owner's connections could not be told from others: such a pooler is refused.

// errPooled: the pooler gives each transaction another server.
var errPooled = errors.New("the pooler before Postgres gives each transaction another connection: set pool_mode = session for this database, " +
	"with a pool_size of --store-connections + 4 for each node, or name Postgres itself")

// unsupportedParameter says whether an error is a pooler's that does not take a connection's settings.
func unsupportedParameter(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == "08P01" && strings.Contains(e.Message, "unsupported startup parameter")
}

// lookForPooler finds out whether there is a pooler before the database.
func (c *Config) lookForPooler(ctx context.Context) (err error) {
	if !strings.HasPrefix(c.URL, "postgres") {
		return nil
	}
	if c.pooler, err = findPooler(ctx, *c); err != nil {
		return fmt.Errorf("store %s: %w", withoutPassword(c.URL), err)
	}
	return nil
}

// findPooler says whether there is a pooler before Postgres, and refuses one that cannot be used. A server that
// cannot be reached is no matter of this.
func findPooler(ctx context.Context, cfg Config) (pooler bool, err error) {
	c, err := postgresConfig(cfg)
	if err != nil || cfg.password(ctx, c.ConnConfig) != nil {
		return false, nil // connect says so
	}
	const probe = "1501" // no setting of ours, which the role may have by itself
	c.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = probe
	first, err := pgx.ConnectConfig(ctx, c.ConnConfig)
	switch {
	case err == nil: // one that is told to ignore the settings takes them, and drops them
		var heeded bool
		err := first.QueryRow(ctx, "SELECT current_setting('idle_in_transaction_session_timeout') = '"+probe+"ms'", pgx.QueryExecModeSimpleProtocol).Scan(&heeded)
		_ = first.Close(ctx)
		if err != nil || heeded {
			return false, nil
		}
	case !unsupportedParameter(err):
		return false, nil
	}
	cfg.pooler = true
	if c, err = postgresConfig(cfg); err != nil || cfg.password(ctx, c.ConnConfig) != nil {
		return true, nil
	}
	var servers [2]int
	for i := range servers { // the first connection stays open, and idle
		conn, err := pgx.ConnectConfig(ctx, c.ConnConfig)
		if err != nil {
			return true, nil
		}
		defer conn.Close(ctx)
		if err := conn.QueryRow(ctx, "SELECT pg_backend_pid()", pgx.QueryExecModeSimpleProtocol).Scan(&servers[i]); err != nil {
			return true, nil
		}
	}
	if servers[0] == servers[1] {
		return true, fmt.Errorf("%w: %w", ErrMisconfigured, errPooled)
	}
	return true, nil
}

// setAfterwards moves the settings that a pooler does not take to after the connection's beginning.
func setAfterwards(c *pgx.ConnConfig) {
	var set []string
	for name, value := range c.RuntimeParams {
		switch name {
		case "application_name", "client_encoding", "datestyle", "timezone", "standard_conforming_strings":
		default:
			set = append(set, fmt.Sprintf("SET %s = '%s'", pgx.Identifier{name}.Sanitize(), strings.ReplaceAll(value, "'", "''")))
			delete(c.RuntimeParams, name)
		}
	}
	c.AfterConnect = func(ctx context.Context, conn *pgconn.PgConn) error {
		_, err := conn.Exec(ctx, strings.Join(set, ";")).ReadAll()
		return err
	}
}
