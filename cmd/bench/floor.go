package main

import (
	"context"
	"os"

	"session-manager/bench/floor"
)

type floorCommand struct {
	Store    string `required:"" help:"postgres://USER@HOST/DATABASE or sqlite:FILE, whatsmeow's own tables."`
	Emulator string `required:"" help:"Control API of the emulator, http://HOST:PORT."`
	Listen   string `default:"127.0.0.1:0" help:"Where orders are taken, HOST:PORT."`
}

// Run runs bare whatsmeow clients, which take orders by HTTP: what the product is held against.
func (c *floorCommand) Run(ctx context.Context) error {
	return floor.Run(ctx, c.Store, c.Emulator, c.Listen, os.Stdout)
}
