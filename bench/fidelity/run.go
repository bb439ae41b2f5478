package fidelity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"session-manager/bench/cluster"
	"session-manager/node/ownership"
)

const (
	cliente    = ownership.Cliente(51) // the contract's example
	nodes      = 2                     // so that requests are forwarded, too
	nodeMajor  = 20                    // the oldest Node.js that Baileys runs on
	judge      = "node_modules/@whiskeysockets/baileys/package.json"
	endTimeout = 5 * time.Second // for Node.js, once it was told to end
)

// ErrFailed says that a check did not hold. What was printed tells which.
var ErrFailed = errors.New("a fidelity check failed")

// ErrMissing says that something has to be installed first.
var ErrMissing = errors.New("missing")

// Options of a run.
type Options struct {
	BinDir string // of the programs
	Dir    string // of the checks: bench/fidelity/js, with Baileys installed
	Out    io.Writer
	Limit  time.Duration // for the whole run
}

// Run starts a cluster with an emulator, pairs a cliente, and has the checks act on them. It returns ErrFailed
// where one does not hold. Nothing is left running or on disk.
func Run(ctx context.Context, o Options) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, o.Limit, fmt.Errorf("the run took longer than %v", o.Limit))
	defer cancel()
	program, err := findNode(ctx)
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(o.Dir, judge)); err != nil {
		return fmt.Errorf("%w: Baileys in %s: run make fidelity, or npm ci --ignore-scripts there", ErrMissing, o.Dir)
	}
	c, err := cluster.Start(ctx, cluster.Options{Nodes: nodes, BinDir: o.BinDir, Emulator: true})
	if err != nil {
		return err
	}
	defer func() {
		if err != nil && ctx.Err() == nil {
			fmt.Fprintf(o.Out, "the nodes' last words:\n%s\n", c.Tails())
		}
		err = errors.Join(err, c.Close())
	}()
	number := cluster.NumberOf(cliente)
	if _, err := c.Pair(ctx, cliente, number); err != nil {
		return fmt.Errorf("pair the product: %w", err)
	}
	world, err := world(ctx, c, number)
	if err != nil {
		return err
	}
	return check(ctx, o, program, world)
}

// world tells the checks where all is, as JSON.
func world(ctx context.Context, c *cluster.Cluster, number string) (string, error) {
	about, err := c.Emulator.About(ctx)
	if err != nil {
		return "", err
	}
	var urls []string
	for _, n := range c.Nodes() {
		urls = append(urls, n.URL())
	}
	raw, err := json.Marshal(map[string]any{
		"emulator": c.EmulatorURL(), "socket": about.Endpoint, "root_key": about.RootKey,
		"nodes": urls, "cliente": cliente, "number": number,
	})
	return string(raw), err
}

// check runs the checks in a process group of their own, which has ended when it returns.
func check(ctx context.Context, o Options, program, world string) error {
	cmd := exec.CommandContext(ctx, program, "main.mjs")
	cmd.Dir = o.Dir
	cmd.Env = append(os.Environ(), "FIDELITY="+world, "NODE_ENV=production")
	cmd.Stdout, cmd.Stderr = o.Out, o.Out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = endTimeout
	err := cmd.Run()
	var ended *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &ended):
		return ErrFailed
	}
	return err
}

// findNode returns the path of a Node.js that Baileys runs on.
func findNode(ctx context.Context) (string, error) {
	program, err := exec.LookPath("node")
	if err != nil {
		return "", fmt.Errorf("%w: Node.js %d: deploy/install.sh npm", ErrMissing, nodeMajor)
	}
	out, err := exec.CommandContext(ctx, program, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", program, err)
	}
	major, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(string(out)), "v"), ".")
	if n, err := strconv.Atoi(major); err != nil || n < nodeMajor {
		return "", fmt.Errorf("%w: Node.js %d or newer; %s is %s", ErrMissing, nodeMajor, program, strings.TrimSpace(string(out)))
	}
	return program, nil
}
