package measure

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of times in /proc/PID/stat: USER_HZ, which Linux shows as 100 everywhere.
const tick = 10 * time.Millisecond

// CPU is the user and system time that the processes have used up to now, with all that they
// have started: workers count as their master does, and those that have ended do where they
// were waited for. Its resolution is 10 ms a process.
func CPU(pids ...int) (time.Duration, error) {
	all, err := family(pids)
	var sum time.Duration
	for _, p := range all {
		sum += p.used
	}
	return sum, err
}

// Resident is the memory that the processes hold at the moment, in bytes, with all that they
// have started. Pages that several of them share count in each.
func Resident(pids ...int) (int64, error) {
	all, err := family(pids)
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, p := range all {
		n, err := resident(p.pid)
		// A child may end meanwhile.
		if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ESRCH) {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// process is one line of /proc/PID/stat.
type process struct {
	pid, parent int
	used        time.Duration // its own, and that of children that ended and were waited for
}

// family are the processes and their descendants. One of pids that does not live is an error.
func family(pids []int) ([]process, error) {
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	living := make(map[int]process)
	children := make(map[int][]int)
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue // ended meanwhile
		}
		p, err := parseStat(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		living[p.pid] = p
		children[p.parent] = append(children[p.parent], p.pid)
	}
	var all []process
	seen := make(map[int]bool)
	for next := pids; len(next) > 0; {
		var after []int
		for _, pid := range next {
			p, ok := living[pid]
			if !ok {
				return nil, fmt.Errorf("process %d: %w", pid, os.ErrNotExist)
			}
			if !seen[pid] {
				seen[pid] = true
				all = append(all, p)
				after = append(after, children[pid]...)
			}
		}
		next = after
	}
	return all, nil
}

// parseStat reads "pid (name) state parent …", where the name may hold anything.
func parseStat(raw []byte) (process, error) {
	open, end := bytes.IndexByte(raw, '('), bytes.LastIndexByte(raw, ')')
	if open < 0 || end < open {
		return process{}, errors.New("no name in parentheses")
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw[:open])))
	if err != nil {
		return process{}, err
	}
	// From the state on, which proc(5) calls field 3: the parent is 4, and the times are 14 to
	// 17: user, system, and the same of children that were waited for.
	fields := strings.Fields(string(raw[end+1:]))
	if len(fields) < 15 {
		return process{}, fmt.Errorf("%d fields after the name, want 15 or more", len(fields))
	}
	p := process{pid: pid}
	if p.parent, err = strconv.Atoi(fields[1]); err != nil {
		return process{}, err
	}
	for _, f := range fields[11:15] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return process{}, err
		}
		p.used += time.Duration(n) * tick
	}
	return p, nil
}

// resident reads the exact sum over a process's mappings: the counter in its status lags behind
// by up to 64 pages a thread.
func resident(pid int) (int64, error) {
	path := fmt.Sprintf("/proc/%d/smaps_rollup", pid)
	raw, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "Rss:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("%s: no Rss", path)
}
