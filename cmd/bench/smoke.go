package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"session-manager/bench/smoke"
)

type smokeCommand struct {
	URL      string        `name:"url" default:"http://127.0.0.1:3001" help:"The cluster's load balancer, or any node."`
	Emulator string        `default:"http://127.0.0.1:4000" help:"Control API of the emulator that the cluster talks to."`
	APIKey   string        `name:"api-key" env:"API_KEY" help:"API key, where one is asked for."`
	Clientes int           `default:"12" help:"How many clientes to pair, 1 to 500. They are 1, 2, 3, …, and new."`
	For      time.Duration `default:"20s" help:"How long to use the cluster, where no command is given."`
	Longest  time.Duration `default:"30s" help:"What a message may wait for its acknowledgement, all tries together."`
	Incoming string        `type:"path" placeholder:"FILE" help:"Write the IDs of messages to the accounts that were acknowledged."`
	Command  []string      `arg:"" optional:"" passthrough:"" help:"Disturbs the cluster. It is used until this has ended, which must be with exit code 0."`
}

// Validate checks what the parser cannot.
func (c *smokeCommand) Validate() error {
	if c.Clientes < 1 || c.Clientes > 500 {
		return fmt.Errorf("--clientes: %d is not between 1 and 500", c.Clientes)
	}
	return nil
}

// Run uses a cluster that runs already.
func (c *smokeCommand) Run(ctx context.Context) (err error) {
	o := smoke.Options{
		URL: c.URL, Emulator: c.Emulator, APIKey: c.APIKey, Clientes: c.Clientes, Longest: c.Longest,
		Disturb: c.disturb, Out: os.Stdout,
	}
	if c.Incoming != "" {
		file, err := os.Create(c.Incoming)
		if err != nil {
			return err
		}
		defer file.Close()
		o.Incoming = io.Writer(file)
	}
	return smoke.Run(ctx, o)
}

// disturb runs the command, or lets the time pass.
func (c *smokeCommand) disturb(ctx context.Context) error {
	if len(c.Command) == 0 {
		select {
		case <-ctx.Done():
		case <-time.After(c.For):
		}
		return ctx.Err()
	}
	command := exec.CommandContext(ctx, c.Command[0], c.Command[1:]...)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	// It ends what it disturbs in its own time: what is paused must not stay so.
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 30 * time.Second
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s: %w", c.Command[0], err)
	}
	return nil
}
