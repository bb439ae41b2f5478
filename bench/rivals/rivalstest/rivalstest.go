// Package rivalstest is for the tests of what runs rivals.
package rivalstest

import (
	"fmt"
	"os"
	"testing"

	"github.com/alecthomas/kong"
	"go.uber.org/goleak"

	"session-manager/bench/rivals"
)

// Main is a TestMain: it runs the tests, or plays the bench program, which some rivals are
// commands of.
func Main(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "rival" {
		fmt.Fprintln(os.Stderr, play(os.Args[2:]))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

func play(args []string) error {
	var command rivals.Command
	parser, err := kong.New(&command)
	if err != nil {
		return err
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return err
	}
	return parsed.Run()
}
