package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// clusterProgram runs local clusters. It is not part of this program, which is to be a node
// and nothing else where nodes run for good.
const clusterProgram = "bench"

type clusterCmd struct {
	Nodes    int    `default:"3" help:"How many nodes."`
	Emulator bool   `help:"Start the WhatsApp emulator too, and point the nodes at it. Default: the real WhatsApp."`
	Store    string `default:"sqlite" enum:"sqlite,postgres" help:"Credential store: ${enum}. postgres is a throw-away server and must be installed."`
}

// Run becomes the program beside this one that runs local clusters. It returns an error alone.
func (c *clusterCmd) Run() error {
	if c.Nodes < 1 {
		return usageError{fmt.Errorf("--nodes: %d, want 1 or more", c.Nodes)}
	}
	own, err := os.Executable()
	if err != nil {
		return err
	}
	dir := filepath.Dir(own)
	program := filepath.Join(dir, clusterProgram)
	args := []string{program, "cluster", "--bin-dir", dir, "--nodes", strconv.Itoa(c.Nodes), "--store", c.Store}
	if c.Emulator {
		args = append(args, "--emulator")
	}
	err = syscall.Exec(program, args, os.Environ())
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s is not there: a local cluster needs what make build makes, all in one directory", program)
	}
	return fmt.Errorf("%s: %w", program, err)
}
