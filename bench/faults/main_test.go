package faults

import (
	"os"
	"testing"

	"session-manager/bench/testbin"
)

// binMark names, in the environment, the directory of the programs that another process of these
// tests has built.
const binMark = "FAULTS_TEST_BIN"

var built testbin.Programs

func TestMain(m *testing.M) { built.Main(m) }

func programs(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv(binMark); dir != "" {
		return dir
	}
	dir := built.Dir(t)
	if err := os.Setenv(binMark, dir); err != nil { // for the process of the cut
		t.Fatal(err)
	}
	return dir
}
