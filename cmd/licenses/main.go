// Command licenses writes the notices of all that the node's binary is made of to
// cmd/session-manager/licenses.txt, which the binary shows. With --check it compares them instead, and refuses a
// licence that nobody has looked at.
package main

import (
	"fmt"
	"os"
)

const file = "cmd/session-manager/licenses.txt"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "licenses:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	parts, err := collect("./cmd/session-manager")
	if err != nil {
		return err
	}
	if err := judge(parts); err != nil {
		return err
	}
	text := render(parts)
	if len(args) != 1 || args[0] != "--check" {
		return os.WriteFile(file, []byte(text), 0o644)
	}
	standing, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if string(standing) != text {
		return fmt.Errorf("%s is not that of go.mod: run make licenses, and commit it", file)
	}
	return nil
}
