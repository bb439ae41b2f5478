package crash

import (
	"regexp"
	"strings"

	"session-manager/node/ownership"
)

// Label is the pprof label that names the cliente on whose behalf a goroutine runs.
const Label = "cliente"

// Traceback is the GODEBUG setting under which a crash report shows labels. The program sets it in its
// own environment before anything else, as //go:debug does not know it.
const Traceback = "tracebacklabels=1"

// running is the first line of the goroutine that crashed. The runtime indents all lines of a panic's
// value but the first, so that no value can pass for one.
var running = regexp.MustCompile(`^goroutine \d+ (?:gp=\S+ m=\S+ (?:mp=\S+ )?)?\[running[^\]{]*labels:\{(.*)\}[^\]]*\]:$`)

// named is the cliente among a goroutine's labels.
var named = regexp.MustCompile(`"` + Label + `": "(\d+)"`)

// Blame returns the cliente on whose behalf the goroutine that crashed was running, and the first line of
// the report. ok is false where the report blames nobody.
//
// The runtime's report begins with "panic: " for a panic, and with the goroutine itself for what no
// recover stops: a map or a lock used by two at once. For all else, the end of memory included, it begins
// with the runtime's stack; only a goroutine's own stack overflow is its fault there. The runtime does not
// write its "fatal error: " line to this file.
func Blame(report string) (c ownership.Cliente, cause string, ok bool) {
	lines := strings.Split(strings.TrimLeft(report, "\n"), "\n")
	if cause = causeOf(lines); cause == "" {
		return 0, "", false
	}
	for _, line := range lines {
		if !strings.HasPrefix(line, "goroutine ") {
			continue
		}
		labels := running.FindStringSubmatch(line)
		if labels == nil {
			return 0, "", false
		}
		name := named.FindStringSubmatch(labels[1])
		if name == nil {
			return 0, "", false
		}
		c, err := ownership.ParseCliente(name[1])
		return c, cause, err == nil
	}
	return 0, "", false
}

// causeOf says in words what the goroutine did wrong, "" where it did nothing.
func causeOf(lines []string) string {
	next := func(i int) string {
		if i < len(lines) {
			return lines[i]
		}
		return ""
	}
	switch {
	case strings.HasPrefix(lines[0], "panic: "):
		return lines[0]
	case strings.HasPrefix(lines[0], "goroutine "):
		for _, fatal := range []string{"internal/runtime/maps.fatal(", "internal/sync.fatal(", "sync.fatal("} {
			if strings.HasPrefix(next(1), fatal) {
				return "fatal error: a map or a lock was used by two goroutines at once"
			}
		}
	case lines[0] == "runtime stack:" && strings.HasPrefix(next(1), "runtime.throw(") && strings.HasPrefix(next(3), "runtime.newstack("):
		return "fatal error: stack overflow"
	}
	return ""
}
