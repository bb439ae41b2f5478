package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"session-manager/node/ownership"
	"session-manager/node/store"
)

type newGenerationCmd struct {
	Store             string `help:"The cluster's credential store, as the nodes have it: postgres://USER@HOST/DATABASE or sqlite:FILE. Default: SQLite in --data."`
	StorePasswordFile string `type:"path" help:"File with the password of the role in --store." placeholder:"FILE"`
	Data              string `default:"./data" help:"Directory of the node, where the store is in it."`
	Yes               bool   `help:"All sessions stop for a moment and start anew: say that this is meant."`
}

// Run begins another generation of the cluster. Fencing tokens of an etcd that was wiped or
// restored would start anew below those that were given out; those of a new generation are above. The
// store's present database becomes the cluster's.
func (c *newGenerationCmd) Run(ctx context.Context, s streams) error {
	if !c.Yes {
		return usageError{errors.New("new-generation: give --yes. All sessions stop for a moment and start anew. Do this when nodes ask for it, and their --etcd and --store are right")}
	}
	if c.Store == "" {
		c.Store = "sqlite:" + filepath.Join(c.Data, "store.db")
	}
	st, err := store.Open(ctx, store.Config{URL: c.Store, PasswordFile: c.StorePasswordFile, Process: ownership.Process{Node: "operator", Incarnation: "operator"}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer st.Close()
	id, err := st.NewGeneration(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "cluster %s is in generation %d; its nodes go on by themselves\n", id.UUID, id.Generation)
	return err
}
