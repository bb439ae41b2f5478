package rivals

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

//go:embed server.js
var expressServer []byte

// debianModules is where Debian's packages of Node.js modules are; other builds of Node.js do
// not look there by themselves.
const debianModules = "/usr/share/nodejs"

// Express runs the ancestor's GET /status for clientes that are READY.
func Express(ctx context.Context, dir string, clientes []string) (*Rival, error) {
	node, err := find("node", "node-express")
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(debianModules, "express")); err != nil {
		return nil, fmt.Errorf("express: %w: deploy/install.sh node-express", ErrMissing)
	}
	file := filepath.Join(dir, "server.js")
	if err := os.WriteFile(file, expressServer, 0o644); err != nil {
		return nil, err
	}
	env := []string{"NODE_ENV=production", "NODE_PATH=" + debianModules}
	return start(ctx, "express", dir, env, func(address string) ([]string, error) {
		return []string{node, file, address, strings.Join(clientes, ",")}, nil
	})
}
