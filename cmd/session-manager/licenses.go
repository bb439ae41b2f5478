package main

import (
	_ "embed"
	"io"
)

//go:embed licenses.txt
var notices string

type licensesCmd struct{}

// Run prints the notices of all that this program is made of.
func (licensesCmd) Run(s streams) error {
	_, err := io.WriteString(s.out, notices)
	return err
}
