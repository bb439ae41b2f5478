package sessions

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"session-manager/bench/report"
)

const (
	countedTexts = 5 // of each account, while statements are logged
	// logSettle is what Postgres's processes get to take up a setting, and to write their lines.
	logSettle = 300 * time.Millisecond
)

// statements counts what Postgres is asked per text.
func (w *writers) statements(ctx context.Context, into *report.Scenario) error {
	var none side
	counts, err := w.counted(ctx, "text", float64(w.n*countedTexts), into,
		func() error { return w.product(ctx, w.n, countedTexts, &none) },
		func() error { return w.rival(ctx, w.n, countedTexts, &none) })
	if err != nil {
		return err
	}
	into.AtMost(barStatements, "store statements per text, without BEGIN and COMMIT", "", counts[0].asked)
	into.Tell("BEGIN, COMMIT and their like per text", "", counts[0].frames)
	into.Tell("bare whatsmeow, store statements per text, without BEGIN and COMMIT", "", counts[1].asked)
	into.Tell("bare whatsmeow, BEGIN, COMMIT and their like per text", "", counts[1].frames)
	return nil
}

// perPiece is what Postgres is asked per piece of work.
type perPiece struct{ asked, frames float64 }

// tellStatements tells both without a bar.
func tellStatements(into *report.Scenario, prefix, what string, counts [2]perPiece) {
	for i, who := range []string{productName, rivalName} {
		into.Tell(fmt.Sprintf("%s%s, store statements per %s", prefix, who, what), "", counts[i].asked)
		into.Tell(fmt.Sprintf("%s%s, BEGIN, COMMIT and their like per %s", prefix, who, what), "", counts[i].frames)
	}
}

// counted counts what Postgres is asked per piece of so many that both sides do, by its own log
// of every statement, and notes which statements those are. What the product asks without being
// asked itself (its sweeps) is counted in as much time without work, and taken off.
func (a *arena) counted(ctx context.Context, what string, pieces float64, into *report.Scenario, product, rival func() error) (counts [2]perPiece, err error) {
	var busy time.Duration
	worked, err := a.logged(ctx, func() error {
		begun := time.Now()
		defer func() { busy = time.Since(begun) }()
		return product()
	})
	if err != nil {
		return counts, err
	}
	idle, err := a.logged(ctx, func() error { return wait(ctx, busy) })
	if err != nil {
		return counts, err
	}
	bare, err := a.logged(ctx, rival)
	if err != nil {
		return counts, err
	}
	asked, frames := worked.count(productDatabase)
	askedIdle, framesIdle := idle.count(productDatabase)
	askedBare, framesBare := bare.count(rivalDatabase)
	into.Notes = append(into.Notes, fmt.Sprintf("Statements of %s per %s: %s. Of %s: %s.", productName, what, worked.list(productDatabase, pieces), rivalName, bare.list(rivalDatabase, pieces)))
	return [2]perPiece{{(asked - askedIdle) / pieces, (frames - framesIdle) / pieces}, {askedBare / pieces, framesBare / pieces}}, nil
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// logged runs work while Postgres logs its statements, and returns those.
func (a *arena) logged(ctx context.Context, work func() error) (statementLog, error) {
	conn, err := pgx.Connect(ctx, a.server.URL())
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	set := func(settings ...string) error {
		for _, s := range append(settings, "SELECT pg_reload_conf()") {
			if _, err := conn.Exec(ctx, s); err != nil {
				return fmt.Errorf("%s: %w", s, err)
			}
		}
		return wait(ctx, logSettle)
	}
	if err := set("ALTER SYSTEM SET log_line_prefix = '@%d@ '", "ALTER SYSTEM SET log_statement = 'all'"); err != nil {
		return nil, err
	}
	before, err := os.Stat(a.server.LogPath())
	if err != nil {
		return nil, err
	}
	if err := work(); err != nil {
		return nil, err
	}
	if err := set("ALTER SYSTEM RESET log_statement"); err != nil {
		return nil, err
	}
	raw, err := os.ReadFile(a.server.LogPath())
	if err != nil {
		return nil, err
	}
	return readStatements(string(raw[before.Size():])), nil
}

// statementLog counts statements by their database and what they do.
type statementLog map[statement]int

type statement struct{ database, text string }

// A statement's line is "@database@ LOG:  statement: BEGIN" or "… execute NAME: INSERT INTO …".
var (
	statementLine = regexp.MustCompile(`^@([^@]*)@ LOG:  (?:statement|execute [^:]*): (.*)$`)
	frame         = regexp.MustCompile(`(?i)^(begin|commit|rollback|savepoint|release|start transaction|end)\b`)
	table         = regexp.MustCompile(`(?i)\b(?:INTO|UPDATE|DELETE FROM) (\w+)`)
	from          = regexp.MustCompile(`(?i)\bFROM (\w+)`)
)

// readStatements reads a log. Lines that go on over several count by their first.
func readStatements(log string) statementLog {
	counts := make(statementLog)
	var at *statement
	add := func() {
		if at != nil {
			counts[statement{at.database, digest(at.text)}]++
		}
		at = nil
	}
	for line := range strings.Lines(log) {
		line = strings.TrimRight(line, "\n")
		if m := statementLine.FindStringSubmatch(line); m != nil {
			add()
			if !strings.HasPrefix(m[2], "-- ping") { // database/sql's, of a connection that was idle for a second
				at = &statement{m[1], m[2]}
			}
		} else if at != nil && strings.HasPrefix(line, "\t") {
			at.text += " " + strings.TrimSpace(line)
		} else {
			add()
		}
	}
	add()
	return counts
}

// digest names a statement by what it does to which tables.
func digest(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if m := frame.FindString(text); m != "" {
		return strings.ToUpper(m)
	}
	var tables []string
	for _, m := range table.FindAllStringSubmatch(text, -1) {
		if !strings.EqualFold(m[1], "SET") { // of ON CONFLICT DO UPDATE SET
			tables = append(tables, m[1])
		}
	}
	if tables != nil {
		return "write " + strings.Join(slices.Compact(tables), "+")
	}
	if m := from.FindStringSubmatch(text); m != nil {
		return "read " + m[1]
	}
	return text[:min(len(text), 30)]
}

// count are a database's statements, and those that only frame transactions.
func (l statementLog) count(database string) (asked, frames float64) {
	for s, n := range l {
		switch {
		case s.database != database:
		case frame.MatchString(s.text):
			frames += float64(n)
		default:
			asked += float64(n)
		}
	}
	return asked, frames
}

// list names a database's statements per text, the most frequent first; rare ones are left out.
func (l statementLog) list(database string, texts float64) string {
	var words []string
	for _, s := range slices.SortedFunc(maps.Keys(l), func(a, b statement) int { return cmp.Or(l[b]-l[a], strings.Compare(a.text, b.text)) }) {
		if per := float64(l[s]) / texts; s.database == database && per >= 0.01 {
			words = append(words, fmt.Sprintf("%.2f × %s", per, s.text))
		}
	}
	return strings.Join(words, ", ")
}
