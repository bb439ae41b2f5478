package cluster_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

// TestMain runs the tests, or, called by another name, plays a node or one who starts a
// cluster: see fake_test.go and orphan_test.go. What was built for the tests is removed at the
// end.
func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case fakeProgram:
		os.Exit(fakeNode(os.Args[1:]))
	case fakeParent:
		os.Exit(parent(os.Args[1], os.Args[2]))
	}
	code := m.Run()
	built.remove()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}
