// Command bench shows and measures a cluster of real processes on this machine.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"session-manager/bench/demo"
)

type commands struct {
	Demo     demoCommand     `cmd:"" help:"The main job in one run: pair, send, receive, kill an owner, add a node. Needs no phone."`
	Cluster  clusterCommand  `cmd:"" help:"Run a cluster of processes on this machine until Ctrl-C."`
	Faults   faultsCommand   `cmd:"" help:"Bad days, one after the other: what callers notice, held against what was promised."`
	Fidelity fidelityCommand `cmd:"" help:"Hold the emulator against Baileys, a client that is not whatsmeow. Needs Node.js and npm: make fidelity."`
	Floor    floorCommand    `cmd:"" hidden:"" help:"Bare whatsmeow clients that take orders: what measurements hold the product against."`
	Smoke    smokeCommand    `cmd:"" help:"Use a cluster that runs already, while somebody else disturbs it; count what is lost."`
	Measure  measureCommand  `cmd:"" help:"Measure the product beside what a user would pick instead; write a report."`
	Render   renderCommand   `cmd:"" help:"Render a report again from its JSON."`
	Compare  compareCommand  `cmd:"" help:"Hold two reports side by side: does a run give again what another one gave?"`
	Rival    rivalCommand    `cmd:"" hidden:"" help:"Be one of what the product is compared with."`
}

type demoCommand struct {
	BinDir   string `default:"bin" type:"path" help:"Directory of session-manager, etcd and whatsapp-emulator."`
	Store    string `default:"sqlite" enum:"sqlite,postgres" help:"Credential store: ${enum}. postgres is a throw-away server and must be installed."`
	Clientes int    `default:"6" help:"How many clientes to pair, 1 to 500."`
	Keep     bool   `help:"Leave everything up and print the URLs, until Ctrl-C."`
}

// Run runs the demo.
func (c *demoCommand) Run(ctx context.Context, log *slog.Logger) error {
	return demo.Run(ctx, demo.Options{
		BinDir: c.BinDir, Store: c.Store, Clientes: c.Clientes, Keep: c.Keep, Out: os.Stdout, Log: log,
	})
}

func main() { os.Exit(run()) }

func run() int {
	var cli commands
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	parser, err := kong.New(&cli, kong.Name("bench"), kong.Description("Shows and measures a cluster of real processes on this machine."),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))))
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	command, err := parser.Parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 2
	}
	if err := command.Run(); err != nil {
		if !errors.Is(err, demo.ErrFailed) { // the report has told
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
		return 1
	}
	return 0
}
