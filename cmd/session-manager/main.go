// Command session-manager is a node of the cluster, and the operator's tool for it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"session-manager/node"
	"session-manager/node/crash"
)

// version is set by the linker.
var version = "dev"

func main() {
	nameBlame()
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// nameBlame has crash reports show goroutines' labels (package crash). The runtime heeds the variable from
// here on; what else it holds stays.
func nameBlame() {
	settings := os.Getenv("GODEBUG")
	if settings != "" {
		settings += ","
	}
	_ = os.Setenv("GODEBUG", settings+crash.Traceback) // the name has no = in it: no error
}

// usageError is a bad configuration: one line, exit 2.
type usageError struct{ error }

// cli is the command line. Every flag is also read from SESSION_MANAGER_<FLAG> and from --config.
type cli struct {
	Version kong.VersionFlag `help:"Print the version, and exit."`
	Config  kong.ConfigFlag  `help:"YAML file with flags as keys (dashes stay), under their command's name or by themselves; a key that is no flag is refused." placeholder:"FILE"`

	Serve         serveCmd         `cmd:"" help:"Run a node."`
	Pair          pairCmd          `cmd:"" help:"Link a cliente to a phone: shows the QR code in the terminal, until the phone has scanned one."`
	Status        statusCmd        `cmd:"" help:"Show the cluster: members, ownership and sessions."`
	Move          moveCmd          `cmd:"" help:"Move a cliente to a node, where it stays until this is undone."`
	Drain         drainCmd         `cmd:"" help:"Make a node give its clientes to the others, and take none."`
	NewGeneration newGenerationCmd `cmd:"" help:"Let the cluster go on after etcd was wiped or restored from an old copy, or its store was moved to another database."`
	Health        healthCmd        `cmd:"" help:"Exit 0 when the node on this machine is ready (for containers)."`
	Cluster       clusterCmd       `cmd:"" help:"Run a cluster of processes on this machine until Ctrl-C, to try things out."`
	Keys          keysCmd          `cmd:"" help:"Make, list and revoke API keys."`
	ShowVersion   versionCmd       `name:"version" cmd:"" help:"Print the version."`
	Licenses      licensesCmd      `cmd:"" help:"Print what this program is made of, and the notices of each part."`
	Judge         judgeCmd         `cmd:"" hidden:"" help:"Judge the crash of the process that started this one, when it has ended."`
}

// streams is where a command writes.
type streams struct{ out, err io.Writer }

func run(args []string, out, errOut io.Writer) int {
	var c cli
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("session-manager"),
		kong.Description("Runs many WhatsApp accounts on many machines: one owner for each, wherever a request arrives."),
		kong.Vars{"hostname": hostname(), "version": "session-manager " + version},
		kong.Configuration(loadConfig),
		kong.DefaultEnvars("SESSION_MANAGER"),
		kong.Writers(out, errOut),
		kong.Exit(func(code int) { exited = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		fmt.Fprintln(errOut, "session-manager:", err)
		return 2
	}
	command, err := parser.Parse(args)
	if exited >= 0 {
		return exited
	}
	if err != nil {
		fmt.Fprintln(errOut, "session-manager:", oneLine(err))
		return 2
	}
	ctx, stop := interruptible()
	defer stop()
	command.BindTo(ctx, (*context.Context)(nil))
	return ended(streams{out, errOut}, command.Run(streams{out, errOut}))
}

// ended says how a command ended, and returns its exit code.
func ended(s streams, err error) int {
	var usage usageError
	var config node.ConfigError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage), errors.As(err, &config):
		fmt.Fprintln(s.err, "session-manager:", oneLine(err))
		return 2
	}
	fmt.Fprintln(s.err, "session-manager:", oneLine(err))
	return 1
}

// interruptible is a ctx that the first SIGTERM or SIGINT ends; the second ends the process.
func interruptible() (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		if _, ok := <-signals; ok {
			cancel()
		}
		if _, ok := <-signals; ok {
			os.Exit(1)
		}
	}()
	return ctx, func() { signal.Stop(signals); close(signals); cancel() }
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
