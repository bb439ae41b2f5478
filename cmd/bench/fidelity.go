package main

import (
	"context"
	"os"
	"time"

	"session-manager/bench/fidelity"
)

type fidelityCommand struct {
	BinDir string        `default:"bin" type:"path" help:"Directory of session-manager, etcd and whatsapp-emulator."`
	Dir    string        `default:"bench/fidelity/js" type:"path" help:"Directory of the checks, where npm has installed Baileys."`
	Limit  time.Duration `default:"10m" help:"For the whole run."`
}

// Run holds the emulator against Baileys.
func (c *fidelityCommand) Run(ctx context.Context) error {
	return fidelity.Run(ctx, fidelity.Options{BinDir: c.BinDir, Dir: c.Dir, Limit: c.Limit, Out: os.Stdout})
}
