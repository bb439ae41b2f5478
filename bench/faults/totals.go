package faults

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"
)

// total is a scenario's counts over all of its runs, as one line.
func total(name string, results []*Result) string {
	runs, broken := 0, 0
	sums := make(map[string]float64)
	var names []string // in the order of the first run
	for _, r := range results {
		if r.Scenario != name {
			continue
		}
		runs++
		if r.Broken() {
			broken++
		}
		for _, f := range r.Figures {
			if f.Unit != "" || strings.HasPrefix(f.Name, "most ") {
				continue
			}
			if _, ok := sums[f.Name]; !ok {
				names = append(names, f.Name)
			}
			sums[f.Name] += float64(f.Value)
		}
	}
	text := fmt.Sprintf("TOTAL %s: %d runs, %d broken", name, runs, broken)
	for _, n := range names {
		text += fmt.Sprintf(", %s %s", n, number(sums[n], ""))
	}
	return text
}

// busy starts so many processes that each want a core, and returns what ends them.
func busy(n int) (end func(), err error) {
	var all []*exec.Cmd
	end = func() {
		for _, c := range all {
			_ = c.Process.Kill()
			_ = c.Wait() // killed
		}
	}
	for range n {
		c := exec.Command("sh", "-c", "while :; do :; done")
		c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := c.Start(); err != nil {
			end()
			return nil, fmt.Errorf("a busy loop: %w", err)
		}
		all = append(all, c)
	}
	return end, nil
}
