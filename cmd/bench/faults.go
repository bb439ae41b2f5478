package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"session-manager/bench/faults"
)

type faultsCommand struct {
	Scenario string        `default:"all" help:"Which: names with commas, or all; see --list. Those that cut need root."`
	List     bool          `help:"List the scenarios and end."`
	BinDir   string        `default:"bin" type:"path" help:"Directory of session-manager, etcd and whatsapp-emulator."`
	Dir      string        `type:"path" help:"Data and logs go here, below the scenario's name, and stay. Default: a temporary directory, removed at the end."`
	Out      string        `type:"path" help:"The results go to this file, too, as JSON." placeholder:"FILE"`
	Verbose  bool          `help:"Tell what goes on, and all notes."`
	Clientes int           `help:"How many clientes to pair. 0: the scenario's full size."`
	Rate     int           `help:"Sends a second. 0: 50; negative: none."`
	For      time.Duration `help:"How long the fault lasts. 0: the scenario's own."`
	Rounds   int           `help:"How often it is done. 0: the scenario's own."`
	PauseMin time.Duration `default:"1s" help:"Shortest pause of the scenario pause."`
	PauseMax time.Duration `default:"60s" help:"Longest one."`
	Start    int           `name:"start-rate" help:"Sessions that a node starts a second, in the scenario herd."`
	Many     int           `help:"How many requests, connections or clientes a flood has. 0: the scenario's own."`
	Every    time.Duration `help:"Between two times that phones lose their sessions, in the scenario phones-forget. 0: 150ms."`
	Runs     int           `default:"1" help:"How often each scenario is run, each time in a cluster of its own; the totals are told at the end."`
	Busy     int           `help:"So many processes beside that each want a core."`
	Seed     uint64        `help:"Of what is random. 0: by the clock; the result tells it."`
}

// Run runs the scenarios: in a network of its own where one cuts.
func (c *faultsCommand) Run(ctx context.Context) error {
	if c.List {
		for _, name := range faults.Names() {
			fmt.Printf("%-18s%s\n", name, faults.About(name))
		}
		return nil
	}
	if c.PauseMin <= 0 || c.PauseMax < c.PauseMin {
		return fmt.Errorf("pauses of %v to %v: want 0 < --pause-min <= --pause-max", c.PauseMin, c.PauseMax)
	}
	o := faults.Options{
		Scenario: strings.ReplaceAll(c.Scenario, " ", ""), BinDir: c.BinDir, Dir: c.Dir, Out: os.Stdout, File: c.Out, Verbose: c.Verbose,
		Clientes: c.Clientes, Rate: c.Rate, For: c.For, Rounds: c.Rounds, PauseMin: c.PauseMin, PauseMax: c.PauseMax, Start: c.Start, Seed: c.Seed,
		Many: c.Many, Every: c.Every, Runs: c.Runs, Busy: c.Busy,
	}
	if o.Cuts() && !faults.Inside() {
		code, err := faults.Again(ctx, os.Args[1:]...)
		if err == nil && code != 0 {
			err = fmt.Errorf("in its own network: exit code %d", code)
		}
		return err
	}
	return faults.Run(ctx, o)
}
