// Package measure is what all scenarios of the harness share: where the programs are, how big
// things may be, what tells how far it got, and what a process has used.
package measure

import (
	"context"
	"log/slog"

	"session-manager/bench/report"
)

// Env is what a scenario runs in.
type Env struct {
	BinDir string // of session-manager, etcd, whatsapp-emulator and bench itself
	Dir    string // for this scenario's data and logs; it exists, and goes afterwards
	Quick  bool   // minutes for all scenarios together: sizes and rounds are cut down
	Rounds int    // how often the things compared are measured, interleaved
	Seed   uint64 // of what is random
	Log    *slog.Logger
	// Step tells how far a scenario got: done of total steps, and what comes now.
	Step func(done, total int, what string)
}

// Scenario is one measurement. Params hold its flags.
type Scenario interface {
	Name() string
	About() string
	Params() map[string]string // as they are, for the report
	// Run measures. A bar that is missed is no error.
	Run(ctx context.Context, env Env, into *report.Scenario) error
}
