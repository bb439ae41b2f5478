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
	body := filepath.Join(dir, "bare.body")
	if err := os.WriteFile(body, a.Body, 0o644); err != nil {
		return nil, err
	}
	return start(ctx, "bare", dir, nil, func(address string) ([]string, error) {
		line := []string{program, "rival", "answer", "--listen", address, "--body", body}
		for _, h := range a.Headers {
			line = append(line, "--header", h[0]+"="+h[1])
		}
		return line, nil
	})
}

// Naive runs a proxy of a few lines on fasthttp: what one would write first.
func Naive(ctx context.Context, program, dir string, routes []Route) (*Rival, error) {
	return start(ctx, "naive", dir, nil, func(address string) ([]string, error) {
		line := []string{program, "rival", "proxy", "--listen", address}
		for _, r := range routes {
			for _, c := range r.Clientes {
				line = append(line, "--route", c+"="+r.Address)
			}
		}
		return line, nil
	})
}
