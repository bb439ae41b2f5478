package cluster_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	// For the cache of go test alone: it does not see what the programs are built of, and would
	// call a changed node tested.
	_ "session-manager/node"
)

// built are the real programs, built once for all tests of this package, by the first that
// asks.
var built programs

type programs struct {
	mu   sync.Mutex // guards what follows
	path string
	err  error
}

// sources are the programs by their packages.
var sources = map[string]string{
	"session-manager":   "session-manager/cmd/session-manager",
	"whatsapp-emulator": "session-manager/cmd/whatsapp-emulator",
	"etcd":              "go.etcd.io/etcd/server/v3",
}

func (p *programs) dir(t *testing.T) string {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.path == "" && p.err == nil {
		p.err = p.build()
	}
	if p.err != nil {
		t.Fatal(p.err)
	}
	return p.path
}

func (p *programs) build() (err error) {
	if p.path, err = os.MkdirTemp("", "cluster-bin-"); err != nil {
		return err
	}
	for name, source := range sources {
		cmd := exec.Command("go", "build", "-o", filepath.Join(p.path, name), source)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	return nil
}

func (p *programs) remove() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.path != "" {
		_ = os.RemoveAll(p.path)
	}
}
