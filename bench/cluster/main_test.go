package cluster_test

import (
	"os"
	"path/filepath"
	"testing"

	"session-manager/bench/testbin"
)

var built testbin.Programs

// TestMain runs the tests, or, called by another name, plays a node or one who starts a
// cluster: see fake_test.go and orphan_test.go.
func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case fakeProgram:
		os.Exit(fakeNode(os.Args[1:]))
	case fakeParent:
		os.Exit(parent(os.Args[1], os.Args[2]))
	}
	built.Main(m)
}
