package cluster

import (
	"context"
	"fmt"

	"session-manager/bench/emulator"
)

func (c *Cluster) startEmulator(ctx context.Context) error {
	place, err := c.o.place("emulator")
	if err != nil {
		return err
	}
	addr, err := c.freeAddr(place.Host)
	if err != nil {
		return err
	}
	args := []string{"--listen", addr}
	if c.o.FewPrekeys {
		args = append(args, "--few-prekeys")
	}
	p, err := c.newProcess("emulator", place, emulatorProgram, args, func(_ context.Context, out string) (bool, error) {
		words, ok := readyLine(out)
		if ok && (words["listen"] == "" || words["root_key"] == "") {
			return false, fmt.Errorf("start emulator: its ready line lacks listen= or root_key=")
		}
		return ok, nil
	})
	if err != nil {
		return err
	}
	if err := p.Start(ctx); err != nil {
		return err
	}
	c.EmulatorProcess = p
	c.Emulator = emulator.Dial("http://" + addr)
	c.about, err = c.Emulator.About(ctx)
	return err
}

// EmulatorURL is the base URL of the emulator's control API; "" without one.
func (c *Cluster) EmulatorURL() string {
	if c.EmulatorProcess == nil {
		return ""
	}
	return "http://" + c.EmulatorProcess.args[1]
}
