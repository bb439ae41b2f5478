package main

import (
	"os"

	"session-manager/node"
	"session-manager/node/crash"
)

// judgeCmd waits for the end of the node that started it, and convicts who crashed it. No person calls it.
type judgeCmd struct {
	LogFormat string `default:"text" enum:"text,json"`
}

// Run reads its case from standard input.
func (c *judgeCmd) Run(s streams) error {
	log := (&serveCmd{LogFormat: c.LogFormat}).logger(s.err)
	if err := crash.Wait(os.Stdin, node.OpenCourt, log); err != nil {
		log.Error("a crash was not judged", "err", err)
	}
	return nil
}
