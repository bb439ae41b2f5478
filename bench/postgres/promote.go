package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"
)

// FailOver kills the server, and has a standby of it promoted on its address, as a failover to a
// synchronous one does: nothing that was committed is lost, and the timeline is the next. The
// standby is the server's own data, so that none need be copied.
func (s *Server) FailOver(ctx context.Context) error {
	s.Kill()
	if err := s.Standby(ctx); err != nil {
		return err
	}
	return s.Promote(ctx)
}

// Standby runs the server, after Stop or Kill, as a standby that has nobody to follow: it answers
// and cannot be written.
func (s *Server) Standby(ctx context.Context) error {
	signal := filepath.Join(s.data(), "standby.signal")
	if err := os.WriteFile(signal, nil, 0o600); err != nil {
		return err
	}
	if s.account != nil {
		if err := os.Chown(signal, int(s.account.Uid), int(s.account.Gid)); err != nil {
			return err
		}
	}
	return s.Run(ctx)
}

// Promote makes a standby the primary, and returns when it can be written.
func (s *Server) Promote(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.URL())
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var done bool
	if err := conn.QueryRow(ctx, "SELECT pg_promote(true, 30)").Scan(&done); err != nil {
		return fmt.Errorf("promote: %w", err)
	}
	if !done {
		return errors.New("promote: not done within 30 s")
	}
	return nil
}
