package cluster

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// groupTimeout is how long the members of a killed group may take to be gone.
const groupTimeout = 2 * time.Second

// groupGone waits until no process of the group lives.
func groupGone(group int) bool {
	for end := time.Now().Add(groupTimeout); ; time.Sleep(probeEvery) {
		if !groupLives(group) {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// groupLives looks for a process of the group that has not ended. Signal 0 would not do: it
// finds those, too, whose parent has not asked for their exit code, and after a kill that
// parent is whatever runs as process 1.
func groupLives(group int) bool {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is fine
	for _, path := range stats {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue // ended meanwhile
		}
		// "pid (name) state parent group ...", and the name may hold anything.
		fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
		if len(fields) > 2 && fields[0] != "Z" && fields[2] == strconv.Itoa(group) {
			return true
		}
	}
	return false
}
