package rivals

import (
	"context"
	"os"
	"path/filepath"
)

// Answer is what Bare answers to whatever is asked.
type Answer struct {
	Headers [][2]string // name and value; not those that every server sets
	Body    []byte
}

// Bare runs a fasthttp server that always gives the same answer: the floor of what a request
// can cost. program is bench.
func Bare(ctx context.Context, program, dir string, a Answer) (*Rival, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	body := filepath.Join(dir, "bare.body")
	if err := os.WriteFile(body, a.Body, 0o644); err != nil {
		return nil, err
	}
	line := []string{program, "rival", "answer", "--listen", address, "--body", body}
	for _, h := range a.Headers {
		line = append(line, "--header", h[0]+"="+h[1])
	}
	return start(ctx, "bare", address, dir, nil, line...)
}

// Naive runs a proxy of a few lines on fasthttp: what one would write first.
func Naive(ctx context.Context, program, dir string, routes []Route) (*Rival, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	line := []string{program, "rival", "proxy", "--listen", address}
	for _, r := range routes {
		for _, c := range r.Clientes {
			line = append(line, "--route", c+"="+r.Address)
		}
	}
	return start(ctx, "naive", address, dir, nil, line...)
}
