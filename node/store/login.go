package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrLogin is that the database refuses the login. It comes with ErrUnavailable.
var ErrLogin = errors.New("credential store refuses the login")

// loginRefused says whether an error comes from the login: SQLSTATE class 28.
func loginRefused(err error) bool { return isCode(err, "28000") || isCode(err, "28P01") }

// password has the password of each new connection read where it stands by then: in the file, or wherever
// the URL and libpq's environment say (a passfile, a service file). It may have been changed since the start.
func (c Config) password(_ context.Context, connection *pgx.ConnConfig) error {
	if c.PasswordFile != "" {
		text, err := os.ReadFile(c.PasswordFile)
		if err != nil {
			return fmt.Errorf("password of the credential store: %w", err)
		}
		connection.Password = strings.TrimSpace(string(text))
		return nil
	}
	if now, err := pgxpool.ParseConfig(c.URL); err == nil {
		connection.Password = now.ConnConfig.Password
	}
	return nil
}
