package faults

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"session-manager/bench/cluster"
)

// The scenarios that cut need a network in which nothing else is: the harness runs again in a
// network and a mount namespace of its own, which the kernel removes with the last process in
// them, however that ended. In there each node has a namespace too, and a cable to a switch at
// which etcd, Postgres and the emulator listen. What is cut is dropped within the node's
// namespace, silently, per direction. It takes root, and Debian's iproute2, nftables, util-linux.

const (
	insideMark = "BENCH_FAULTS_NETWORK" // in the environment of the process that runs there
	switchName = "hub"
	switchHost = "10.77.0.1"
	netnsDir   = "/run/netns" // where ip keeps the names of namespaces
)

// Cuts says whether a run needs networks of its own, or file systems.
func (o Options) Cuts() bool {
	if o.Scenario == "all" {
		return true
	}
	for name := range strings.SplitSeq(o.Scenario, ",") {
		if s := scenarios[name]; s.cuts || s.storeMB > 0 {
			return true
		}
	}
	return false
}

// Inside says whether this process is the one that runs in a network of its own.
func Inside() bool { return os.Getenv(insideMark) != "" }

// Again runs this program once more, with these arguments, in a network of its own, and returns
// its exit code.
func Again(ctx context.Context, args ...string) (code int, err error) {
	if os.Geteuid() != 0 {
		return 0, errors.New("scenarios that cut need root: they make network namespaces")
	}
	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), insideMark+"=own")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it cleans up
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	var exit *exec.ExitError
	if err = cmd.Run(); errors.As(err, &exit) && exit.ExitCode() >= 0 {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// furnish makes the namespace that Again made one to work in.
func furnish(ctx context.Context) error {
	if err := os.MkdirAll(netnsDir, 0o755); err != nil {
		return err
	}
	if err := syscall.Mount("none", netnsDir, "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("mount %s: %w", netnsDir, err)
	}
	return command(ctx, "", "ip", "link", "set", "lo", "up")
}

// network is a switch and what hangs on it.
type network struct {
	dir string // of the cluster's secret

	mu    sync.Mutex // guards hosts
	hosts map[string]string
}

func newNetwork(ctx context.Context) (n *network, err error) {
	if !Inside() {
		return nil, errors.New("not in a network of its own")
	}
	n = &network{hosts: make(map[string]string)}
	if n.dir, err = os.MkdirTemp("", "faults-"); err != nil {
		return nil, err
	}
	for _, line := range []string{"link add " + switchName + " type bridge", "addr add " + switchHost + "/24 dev " + switchName, "link set " + switchName + " up"} {
		if err := command(ctx, "", "ip", strings.Fields(line)...); err != nil {
			return n, err
		}
	}
	return n, nil
}

// nodeArgs are what nodes that others reach must be given. Callers need no keys here: there is
// nobody else.
func (n *network) nodeArgs() ([]string, error) {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	file := filepath.Join(n.dir, "secret")
	return []string{"--insecure", "--cluster-secret-file", file}, os.WriteFile(file, secret, 0o600)
}

// place gives each node a namespace of its name; all else is at the switch.
func (n *network) place(name string) (cluster.Place, error) {
	if !strings.HasPrefix(name, "node") {
		return cluster.Place{Host: switchHost}, nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	place := cluster.Place{Enter: []string{"nsenter", "--net=" + filepath.Join(netnsDir, name)}}
	if host, ok := n.hosts[name]; ok {
		place.Host = host
		return place, nil
	}
	host := fmt.Sprintf("10.77.0.%d", 11+len(n.hosts))
	n.hosts[name], place.Host = host, host
	for _, line := range []string{
		"netns add " + name,
		"link add to-" + name + " type veth peer name eth0 netns " + name,
		"link set to-" + name + " master " + switchName + " up",
		"-n " + name + " addr add " + host + "/24 dev eth0",
		"-n " + name + " link set eth0 up",
		"-n " + name + " link set lo up",
	} {
		if err := command(context.Background(), "", "ip", strings.Fields(line)...); err != nil {
			return place, err
		}
	}
	return place, nil
}

// drop has a node's kernel drop what goes out or comes in by the rules, which are nft's, from
// now on. It replaces what was cut before.
func (n *network) drop(ctx context.Context, node string, out, in []string) error {
	text := fmt.Sprintf(`table inet cut
delete table inet cut
table inet cut {
	chain out { type filter hook output priority 0; policy accept; %s; }
	chain in { type filter hook input priority 0; policy accept; %s; }
}
`, statements(out), statements(in))
	return command(ctx, text, "ip", "netns", "exec", node, "nft", "-f", "-")
}

// statements is a list of nft's statements; an empty one counts, and drops nothing.
func statements(rules []string) string {
	if len(rules) == 0 {
		return "counter"
	}
	return strings.Join(rules, "; ")
}

// heal ends all cuts of a node.
func (n *network) heal(ctx context.Context, node string) error { return n.drop(ctx, node, nil, nil) }

// others are the addresses of the other nodes, as nft takes a set.
func (n *network) others(node string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []string
	for _, name := range sortedKeys(n.hosts) {
		if name != node {
			all = append(all, n.hosts[name])
		}
	}
	return "{ " + strings.Join(all, ", ") + " }"
}

// close removes what later scenarios would stumble over.
func (n *network) close() error {
	errs := []error{os.RemoveAll(n.dir)}
	for _, name := range sortedKeys(n.hosts) {
		// The cable first: the kernel removes what is in a namespace some time later.
		errs = append(errs, command(context.Background(), "", "ip", "link", "del", "to-"+name),
			command(context.Background(), "", "ip", "netns", "del", name))
	}
	return errors.Join(append(errs, command(context.Background(), "", "ip", "link", "del", switchName))...)
}

func command(ctx context.Context, input, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}
