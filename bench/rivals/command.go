package rivals

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/valyala/fasthttp"
)

// Command is the command line of the rivals that are no programs of their own. Each serves until
// its process ends.
type Command struct {
	Answer answerCommand `cmd:"" help:"Answer every request alike (fasthttp)."`
	Proxy  proxyCommand  `cmd:"" help:"Forward by X-Cliente-Id (fasthttp)."`
}

type answerCommand struct {
	Listen string   `required:"" help:"Address to serve at."`
	Body   string   `required:"" type:"existingfile" help:"The answer's body."`
	Header []string `sep:"none" placeholder:"NAME=VALUE" help:"Header of the answer; may be repeated."`
}

// Run serves.
func (c *answerCommand) Run() error {
	body, err := os.ReadFile(c.Body)
	if err != nil {
		return err
	}
	headers, err := pairs(c.Header)
	if err != nil {
		return err
	}
	return fasthttp.ListenAndServe(c.Listen, func(ctx *fasthttp.RequestCtx) {
		for _, h := range headers {
			ctx.Response.Header.Set(h[0], h[1])
		}
		ctx.SetBody(body)
	})
}

type proxyCommand struct {
	Listen string   `required:"" help:"Address to serve at."`
	Route  []string `sep:"none" placeholder:"CLIENTE=ADDRESS" help:"Where a cliente's requests go; may be repeated."`
}

// Run serves.
func (c *proxyCommand) Run() error {
	routes, err := pairs(c.Route)
	if err != nil {
		return err
	}
	nodes := make(map[string]*fasthttp.HostClient) // by cliente
	shared := make(map[string]*fasthttp.HostClient)
	for _, r := range routes {
		if shared[r[1]] == nil {
			shared[r[1]] = &fasthttp.HostClient{Addr: r[1], MaxConns: 4096, NoDefaultUserAgentHeader: true, DialDualStack: true}
		}
		nodes[r[0]] = shared[r[1]]
	}
	return fasthttp.ListenAndServe(c.Listen, func(ctx *fasthttp.RequestCtx) {
		node, ok := nodes[string(ctx.Request.Header.Peek("X-Cliente-Id"))]
		if !ok {
			ctx.SetStatusCode(fasthttp.StatusNotFound)
			return
		}
		ctx.Request.Header.Del(fasthttp.HeaderConnection)
		if err := node.Do(&ctx.Request, &ctx.Response); err != nil {
			ctx.Error(err.Error(), fasthttp.StatusBadGateway)
			return
		}
		ctx.Response.Header.Del(fasthttp.HeaderConnection)
	})
}

var errNoPair = errors.New("want NAME=VALUE")

func pairs(words []string) ([][2]string, error) {
	var out [][2]string
	for _, w := range words {
		name, value, ok := strings.Cut(w, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("%q: %w", w, errNoPair)
		}
		out = append(out, [2]string{name, value})
	}
	return out, nil
}
