// Package testbin builds the real programs for the tests that run them.
package testbin

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"

	// For the cache of go test alone: it does not see what the programs are built of, and would
	// call a changed node tested.
	_ "session-manager/node"
)

const commands = "session-manager/cmd/"

// Build builds the programs of a cluster into dir, and further ones of cmd.
func Build(dir string, further ...string) error {
	sources := map[string]string{
		"session-manager":   commands + "session-manager",
		"whatsapp-emulator": commands + "whatsapp-emulator",
		"etcd":              "go.etcd.io/etcd/server/v3",
	}
	for _, name := range further {
		sources[name] = commands + name
	}
	for name, source := range sources {
		// Without what only a debugger reads they link sooner.
		cmd := exec.Command("go", "build", "-ldflags", "-w", "-o", filepath.Join(dir, name), source)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	return nil
}

// Programs are built once for all tests of a package, by the first that asks.
type Programs struct {
	Further []string // beside those of a cluster

	mu   sync.Mutex // guards what follows
	path string
	err  error
}

// Dir is where they are.
func (p *Programs) Dir(t testing.TB) string {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.path == "" && p.err == nil {
		if p.path, p.err = os.MkdirTemp("", "testbin-"); p.err == nil {
			p.err = Build(p.path, p.Further...)
		}
	}
	if p.err != nil {
		t.Fatal(p.err)
	}
	return p.path
}

// Main is a TestMain: it runs the tests, removes what was built for them, and looks for leaks.
func (p *Programs) Main(m *testing.M) {
	code := m.Run()
	p.remove()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func (p *Programs) remove() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.path != "" {
		_ = os.RemoveAll(p.path)
	}
}
