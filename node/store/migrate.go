package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/store/sqlstore/upgrades"
)

//go:embed migrations
var migrations embed.FS

// migrate brings whatsmeow's schema and ours up to date: forward only, one process at a time.
func (s *Store) migrate(ctx context.Context, raw *sql.DB) error {
	dialects := map[string]goose.Dialect{"postgres": goose.DialectPostgres, "sqlite": goose.DialectSQLite3}
	files, err := fs.Sub(migrations, "migrations/"+s.Kind())
	if err != nil {
		return err
	}
	s.db.UpgradeTable = upgrades.Table
	s.db.VersionTable = "whatsmeow_version"
	return s.dialect.lock(ctx, raw, func() error {
		ours, err := goose.NewProvider(dialects[s.Kind()], raw, files)
		if err != nil {
			return err
		}
		if _, err := ours.Up(ctx); err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
		if err := sqlstore.NewWithWrappedDB(s.db, nil).Upgrade(ctx); err != nil {
			return fmt.Errorf("migrate whatsmeow's tables: %w", err)
		}
		return nil
	})
}
