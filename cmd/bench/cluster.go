package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"session-manager/bench/cluster"
)

type clusterCommand struct {
	BinDir   string `default:"bin" type:"path" help:"Directory of session-manager, etcd and whatsapp-emulator."`
	Nodes    int    `default:"3" help:"How many nodes."`
	Emulator bool   `help:"Start the WhatsApp emulator too, and point the nodes at it. Default: the real WhatsApp."`
	Store    string `default:"sqlite" enum:"sqlite,postgres" help:"Credential store: ${enum}. postgres is a throw-away server and must be installed."`
}

// Run runs a cluster until ctx ends, and leaves nothing behind.
func (c *clusterCommand) Run(ctx context.Context, log *slog.Logger) error {
	if c.Nodes < 1 {
		return fmt.Errorf("--nodes: %d, want 1 or more", c.Nodes)
	}
	running, err := cluster.Start(ctx, cluster.Options{Nodes: c.Nodes, BinDir: c.BinDir, Store: c.Store, Emulator: c.Emulator, Log: log})
	if err != nil {
		return err
	}
	fmt.Println("up until Ctrl-C, then gone with all that is stored:")
	running.Show(os.Stdout)
	url := running.Nodes()[0].URL()
	fmt.Printf("try:\n    curl -H 'X-Cliente-Id: 51' %s/status\n", url)
	if c.Emulator {
		number := cluster.NumberOf(51)
		fmt.Printf("and pair it, by an emulated phone that scans the code:\n    curl %s/phones -d '{\"number\":%q}'\n", running.EmulatorURL(), number)
		fmt.Printf("    curl -s -H 'X-Cliente-Id: 51' %s/qr-code | curl %s/phones/%s/scan -d @-\n", url, running.EmulatorURL(), number)
	}
	running.Tell(ctx, os.Stdout)
	return running.Close()
}
