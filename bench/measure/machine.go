package measure

import (
	"os"
	"runtime"
	"strconv"
	"strings"

	"session-manager/bench/report"
)

// thisMachine says where this runs. What cannot be read is left out.
func thisMachine() report.Machine {
	m := report.Machine{CPU: runtime.GOARCH, Cores: runtime.NumCPU(), OS: runtime.GOOS}
	if name := value("/proc/cpuinfo", "model name", ":"); name != "" {
		m.CPU = name
	}
	if name := value("/etc/os-release", "PRETTY_NAME", "="); name != "" {
		m.OS = strings.Trim(name, `"`)
	}
	kb, _ := strconv.ParseInt(strings.TrimSuffix(value("/proc/meminfo", "MemTotal", ":"), " kB"), 10, 64)
	m.Memory = kb << 10
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	m.Kernel = strings.TrimSpace(string(kernel))
	return m
}

// value is what a file says of a name, in its first line that does; "" where none does.
func value(path, name, between string) string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(raw)) {
		if key, value, ok := strings.Cut(line, between); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
