package rivals

import (
	"bytes"
	"context"
	_ "embed"
	"os"
	"path/filepath"
	"text/template"
)

// Route says that requests of some clientes go to a node.
type Route struct {
	Node     string // its name
	Address  string // host:port
	Clientes []string
}

// The configurations say in their comments what was chosen, and why.
var (
	//go:embed nginx.conf
	nginxConf string
	//go:embed haproxy.cfg
	haproxyConf string
)

// Nginx runs nginx with one worker that forwards by X-Cliente-Id.
func Nginx(ctx context.Context, dir string, routes []Route) (*Rival, error) {
	program, err := find("nginx", "nginx")
	if err != nil {
		return nil, err
	}
	return configured(ctx, "nginx", dir, nginxConf, routes, func(file string) []string {
		return []string{program, "-p", dir, "-c", file, "-e", "stderr"}
	})
}

// HAProxy runs HAProxy with one thread that forwards by X-Cliente-Id.
func HAProxy(ctx context.Context, dir string, routes []Route) (*Rival, error) {
	program, err := find("haproxy", "haproxy")
	if err != nil {
		return nil, err
	}
	return configured(ctx, "haproxy", dir, haproxyConf, routes, func(file string) []string {
		return []string{program, "-db", "-f", file}
	})
}

// configured writes the configuration and starts what reads it.
func configured(ctx context.Context, name, dir, text string, routes []Route, line func(file string) []string) (*Rival, error) {
	t, err := template.New(name).Parse(text)
	if err != nil {
		return nil, err
	}
	return start(ctx, name, dir, nil, func(address string) ([]string, error) {
		var conf bytes.Buffer
		err := t.Execute(&conf, struct {
			Dir, Address string
			Routes       []Route
		}{dir, address, routes})
		if err != nil {
			return nil, err
		}
		file := filepath.Join(dir, name+".conf")
		return line(file), os.WriteFile(file, conf.Bytes(), 0o644)
	})
}
