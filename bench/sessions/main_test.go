package sessions

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"

	// For the cache of go test alone: it does not see what the programs are built of.
	_ "session-manager/node"
)

func TestMain(m *testing.M) {
	code := m.Run()
	built.remove()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// built are the real programs, built by the first test that asks.
var built programs

type programs struct {
	mu   sync.Mutex // guards what follows
	path string
	err  error
}

func (p *programs) dir(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("SESSIONS_TEST_BIN"); dir != "" { // built by hand, to try a scenario out
		return dir
	}
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
	if p.path, err = os.MkdirTemp("", "sessions-bin-"); err != nil {
		return err
	}
	for name, source := range map[string]string{
		"session-manager": "session-manager/cmd/session-manager", "whatsapp-emulator": "session-manager/cmd/whatsapp-emulator",
		"bench": "session-manager/cmd/bench", "etcd": "go.etcd.io/etcd/server/v3",
	} {
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
