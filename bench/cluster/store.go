package cluster

import (
	"cmp"
	"context"
	"path/filepath"

	"session-manager/bench/postgres"
)

// Store is the credential store of a cluster.
type Store struct {
	url string
	// Server is the Postgres server that was started for this cluster: it can be paused,
	// stopped and run again. nil with SQLite, or with a store that was there before.
	Server *postgres.Server
}

// URL is what nodes are given as --store.
func (s *Store) URL() string { return s.url }

func (c *Cluster) startStore(ctx context.Context) error {
	switch c.o.Store {
	case SQLite:
		c.Store = &Store{url: "sqlite:" + filepath.Join(cmp.Or(c.o.StoreDir, c.dir), "store.db")}
	case Postgres:
		place, err := c.o.place("postgres")
		if err != nil {
			return err
		}
		server, err := postgres.Start(ctx, postgres.Options{Host: place.Host, Dir: c.o.StoreDir})
		if err != nil {
			return err
		}
		c.Store = &Store{Server: server, url: server.URL()}
		url, err := server.NewDatabase(ctx, "sessions")
		if err != nil {
			return err
		}
		c.Store.url = url
	default:
		c.Store = &Store{url: c.o.Store}
	}
	return nil
}

func (s *Store) close() {
	if s.Server != nil {
		s.Server.Close()
	}
}
