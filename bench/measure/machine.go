package measure

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

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
	m.Call, m.Touch = kernelCosts()
	return m
}

// kernelCosts are the ns of a system call that does nothing, and of the first touch of a page of memory; 0 is
// what could not be measured. Virtual machines can differ by more in these than in how fast they compute, and
// with them what is mostly system calls, as an answer over HTTP is.
func kernelCosts() (call, touch float64) {
	const calls, memory = 100_000, 64 << 20
	begun := time.Now()
	for range calls {
		unix.Getppid()
	}
	call = float64(time.Since(begun).Nanoseconds()) / calls
	pages, err := unix.Mmap(-1, 0, memory, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return call, 0
	}
	defer unix.Munmap(pages)
	begun = time.Now()
	for at := 0; at < memory; at += os.Getpagesize() {
		pages[at] = 1
	}
	return call, float64(time.Since(begun).Nanoseconds()) / float64(memory/os.Getpagesize())
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
