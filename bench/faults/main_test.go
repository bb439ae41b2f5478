package faults

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	// For the cache of go test alone: it does not see what the programs are built of.
	_ "session-manager/node"
)

// binMark names, in the environment, the directory of the programs that another process of these
// tests has built.
const binMark = "FAULTS_TEST_BIN"

func TestMain(m *testing.M) {
	code := m.Run()
	if dir := os.Getenv(binMark); dir != "" && !Inside() {
		_ = os.RemoveAll(dir)
	}
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// programs are the real ones, built once.
func programs(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv(binMark); dir != "" {
		return dir
	}
	dir, err := os.MkdirTemp("", "faults-bin-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Setenv(binMark, dir); err != nil { // for the next test, and the process of the cut
		t.Fatal(err)
	}
	for name, source := range map[string]string{
		"session-manager": "session-manager/cmd/session-manager", "whatsapp-emulator": "session-manager/cmd/whatsapp-emulator", "etcd": "go.etcd.io/etcd/server/v3",
	} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(dir, name), source)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", name, err, out)
		}
	}
	return dir
}
