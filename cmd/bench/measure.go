package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"session-manager/bench/growth"
	"session-manager/bench/measure"
	"session-manager/bench/placement"
	"session-manager/bench/report"
	"session-manager/bench/sessions"
	"session-manager/bench/status"
)

type measureCommand struct {
	Scenarios []string `default:"all" help:"Which: names with commas, or all; see --list."`
	List      bool     `help:"List the scenarios and end."`
	Quick     bool     `help:"Cut sizes and rounds down, to minutes for all scenarios together: for orientation."`
	Rounds    int      `help:"How often what is compared is measured, interleaved. 0: 5, or 2 with --quick."`
	Seed      uint64   `help:"Of what is random. 0: by the clock; the report tells it."`
	Out       string   `type:"path" placeholder:"DIR" help:"Directory of the report. Default: bench/out/ and the date."`
	BinDir    string   `default:"bin" type:"path" help:"Directory of session-manager, etcd, whatsapp-emulator and bench."`
	Verbose   bool     `help:"Log what goes on."`

	Status  status.Status    `embed:"" prefix:"status-" group:"status"`
	Send    sessions.Send    `embed:"" prefix:"send-" group:"send"`
	Receive sessions.Receive `embed:"" prefix:"receive-" group:"receive"`
	Start   sessions.Start   `embed:"" prefix:"start-" group:"start"`
	Idle    sessions.Idle    `embed:"" prefix:"idle-" group:"idle"`
	Soak    sessions.Soak    `embed:"" prefix:"soak-" group:"soak"`

	Placement placement.Placement `embed:"" prefix:"placement-" group:"placement"`

	Failover growth.Failover `embed:"" prefix:"failover-" group:"failover"`
	Handoff  growth.Handoff  `embed:"" prefix:"handoff-" group:"handoff"`
	Scale    growth.Scale    `embed:"" prefix:"scale-" group:"scale"`
}

// scenarios are all, in the order in which they are run.
func (c *measureCommand) scenarios() []measure.Scenario {
	return []measure.Scenario{&c.Status, &c.Send, &c.Receive, &c.Start, &c.Idle, &c.Failover, &c.Handoff, &c.Scale, &c.Placement, &c.Soak}
}

// Run measures and writes the report. A bar that was missed is no error.
func (c *measureCommand) Run(ctx context.Context, log *slog.Logger) error {
	if c.List {
		for _, s := range c.scenarios() {
			fmt.Printf("%-12s%s\n", s.Name(), s.About())
		}
		return nil
	}
	chosen, err := c.chosen()
	if err != nil {
		return err
	}
	if c.Verbose {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	if c.Out == "" {
		c.Out = filepath.Join("bench", "out", time.Now().Format("2006-01-02T15-04-05"))
	}
	r, err := measure.Run(ctx, measure.Options{
		Scenarios: chosen, BinDir: c.BinDir, Out: c.Out, Quick: c.Quick, Rounds: c.Rounds, Seed: c.Seed,
		Versions: measure.Versions(ctx, c.BinDir), Progress: measure.NewProgress(os.Stderr, len(chosen)), Log: log,
	})
	if r != nil {
		fmt.Printf("\n%s\nreport: %s\n", r.Summary(), filepath.Join(c.Out, report.MarkdownFile))
	}
	return err
}

// chosen are the scenarios that were asked for, in the order of all.
func (c *measureCommand) chosen() ([]measure.Scenario, error) {
	all := c.scenarios()
	if slices.Contains(c.Scenarios, "all") {
		return all, nil
	}
	var names []string
	for _, s := range all {
		names = append(names, s.Name())
	}
	for _, name := range c.Scenarios {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("--scenarios: %q: want %s or all", name, strings.Join(names, ", "))
		}
	}
	return slices.DeleteFunc(all, func(s measure.Scenario) bool { return !slices.Contains(c.Scenarios, s.Name()) }), nil
}

type renderCommand struct {
	File   string   `arg:"" type:"existingfile" help:"A report's JSON."`
	Beside []string `type:"existingfile" placeholder:"FILE,..." help:"Reports of other full runs, whose medians are to stand beside, with those beside theirs."`
	Out    string   `required:"" xor:"out" type:"path" placeholder:"DIR" help:"Directory that Markdown, plots and the JSON go to."`
	Into   string   `required:"" xor:"out" type:"existingfile" placeholder:"README" help:"Markdown that the report becomes the last part of, in place of one that stands there; plots and the JSON go beside it."`
}

// Run renders a report again.
func (c *renderCommand) Run() error {
	r, err := report.Read(c.File)
	if err != nil {
		return err
	}
	if len(c.Beside) > 0 {
		others := make([]*report.Report, len(c.Beside))
		for i, file := range c.Beside {
			if others[i], err = report.Read(file); err != nil {
				return err
			}
		}
		if err := r.Beside(others...); err != nil {
			return err
		}
	}
	if c.Into != "" {
		return r.Publish(c.Into)
	}
	return r.Write(c.Out)
}

type compareCommand struct {
	First  string `arg:"" type:"existingfile" help:"A report's JSON."`
	Second string `arg:"" type:"existingfile" help:"Another one's."`
}

// Run compares two reports.
func (c *compareCommand) Run() error {
	first, err := report.Read(c.First)
	if err != nil {
		return err
	}
	second, err := report.Read(c.Second)
	if err != nil {
		return err
	}
	text, err := report.Compare(first, second)
	fmt.Print(text)
	return err
}
