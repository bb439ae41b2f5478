package sessions

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"session-manager/node/ownership"
)

// caller calls one node over connections that it keeps, as a backend behind a load balancer
// does. It costs a tenth of what net/http's client would take from the machine that is measured,
// and leaves no goroutines behind, as fasthttp's would.
type caller struct {
	base, host string

	mu   sync.Mutex // guards idle
	idle []*line
}

// line is a connection.
type line struct {
	net.Conn
	r    *bufio.Reader
	w    *bufio.Writer
	used time.Time
}

const (
	callTimeout = 60 * time.Second
	// keepIdle is below what any server keeps an idle connection for.
	keepIdle = 5 * time.Second
)

func newCaller(base string) *caller {
	return &caller{base: base, host: strings.TrimPrefix(base, "http://")}
}

func (c *caller) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.idle {
		_ = l.Close()
	}
	c.idle = nil
}

// line takes the connection that was used last, or makes one.
func (c *caller) line() (*line, error) {
	c.mu.Lock()
	for n := len(c.idle); n > 0; n = len(c.idle) {
		l := c.idle[n-1]
		c.idle = c.idle[:n-1]
		if time.Since(l.used) < keepIdle {
			c.mu.Unlock()
			return l, nil
		}
		_ = l.Close()
	}
	c.mu.Unlock()
	conn, err := net.DialTimeout("tcp", c.host, callTimeout)
	if err != nil {
		return nil, err
	}
	return &line{Conn: conn, r: bufio.NewReader(conn), w: bufio.NewWriter(conn)}, nil
}

func (c *caller) giveBack(l *line) {
	l.used = time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = append(c.idle, l)
}

// do makes a request and returns the body of a 200. key "": none is shown.
func (c *caller) do(method, path string, cliente ownership.Cliente, key string, body []byte) ([]byte, error) {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.Header.SetMethod(method)
	req.SetRequestURI(c.base + path)
	if cliente != 0 {
		req.Header.Set("X-Cliente-Id", strconv.FormatInt(int64(cliente), 10))
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	if body != nil {
		req.Header.SetContentType("application/json")
		req.SetBodyRaw(body)
	}
	if err := c.exchange(req, resp); err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if resp.StatusCode() != fasthttp.StatusOK {
		return nil, fmt.Errorf("%s %s: %d %s", method, path, resp.StatusCode(), resp.Body()[:min(len(resp.Body()), 200)])
	}
	return bytes.Clone(resp.Body()), nil
}

func (c *caller) exchange(req *fasthttp.Request, resp *fasthttp.Response) error {
	l, err := c.line()
	if err != nil {
		return err
	}
	err = errors.Join(l.SetDeadline(time.Now().Add(callTimeout)), req.Write(l.w), l.w.Flush())
	if err == nil {
		err = resp.Read(l.r)
	}
	if err != nil || resp.ConnectionClose() {
		_ = l.Close()
		return err
	}
	c.giveBack(l)
	return nil
}

// send sends a text under a key and returns how long it took.
func (c *caller) send(cliente ownership.Cliente, to, text, key string) (time.Duration, error) {
	body, err := json.Marshal(map[string]string{"to": to, "message": text})
	if err != nil {
		return 0, err
	}
	begun := time.Now()
	_, err = c.do(fasthttp.MethodPost, "/send", cliente, key, body)
	return time.Since(begun), err
}

// state is the session's, which a look starts.
func (c *caller) state(cliente ownership.Cliente) (string, error) {
	raw, err := c.do(fasthttp.MethodGet, "/status", cliente, "", nil)
	if err != nil {
		return "", err
	}
	var out struct {
		State string `json:"state"`
	}
	return out.State, json.Unmarshal(raw, &out)
}

// code is the picture of the session's QR code, "" where there is none yet.
func (c *caller) code(cliente ownership.Cliente) string {
	raw, err := c.do(fasthttp.MethodGet, "/qr-code", cliente, "", nil)
	if err != nil {
		return ""
	}
	var out struct{ QR string }
	if json.Unmarshal(raw, &out) != nil {
		return ""
	}
	return out.QR
}

var errNoMetric = errors.New("no such metric")

// metric reads one of the node's; a gauge of a state that no session was in yet is 0.
func (c *caller) metric(name string) (float64, error) {
	raw, err := c.do(fasthttp.MethodGet, "/metrics", 0, "", nil)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(raw)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	if strings.Contains(name, "{") {
		return 0, nil
	}
	return 0, fmt.Errorf("%s: %w", name, errNoMetric)
}
