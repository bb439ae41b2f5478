package main

import "session-manager/bench/rivals"

// rivalCommand runs what the product is compared with and is no program of its own.
type rivalCommand struct {
	rivals.Command
}
