package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"session-manager/node/ownership"
)

// The callers' clock (contract): what a caller of a node waits.
const (
	dialTimeout   = 5 * time.Second
	answerTimeout = 30 * time.Second
	maxAnswer     = 1 << 20 // bytes; a QR picture is some 10 KB
)

// Client speaks the HTTP contract as the hub does. With several base URLs it stands for the
// load balancer: requests go around, and one that could not be connected goes to the next.
// It is safe for concurrent use.
type Client struct {
	APIKey string // "": none is shown

	bases []string
	next  atomic.Uint32
	http  *http.Client
}

// NewClient is a client of the nodes at those base URLs, one at least.
func NewClient(bases ...string) *Client {
	return &Client{bases: bases, http: &http.Client{
		Timeout: answerTimeout,
		Transport: &http.Transport{
			DialContext: (&net.Dialer{Timeout: dialTimeout}).DialContext,
			// A connection of its own for each request: one that a killed node has left half
			// open would make the client, not the cluster, the one that is measured.
			DisableKeepAlives: true,
		},
	}}
}

// Client goes around all nodes that run now, but for those to leave out.
func (c *Cluster) Client(without ...*Node) *Client {
	var bases []string
	for _, n := range c.Nodes() {
		if n.Running() && n.word("listen") != "" && !slices.Contains(without, n) {
			bases = append(bases, n.URL())
		}
	}
	return NewClient(bases...)
}

// Status is the answer to GET /status.
type Status struct {
	Cliente  ownership.Cliente `json:"cliente_id"`
	State    string            `json:"state"`
	CanSend  bool              `json:"can_send_messages"`
	NeedsQR  bool              `json:"needs_qr"`
	Attempts int               `json:"reconnection_attempts"`
	Served                     // by whom
}

// Served is what every answer of a session tells in its headers.
type Served struct {
	Owner string `json:"-"` // node; X-Session-Owner
	Epoch string `json:"-"` // token of the ownership; X-Session-Epoch
}

// Status asks for a session's state, and thereby starts it if it is not running.
func (c *Client) Status(ctx context.Context, cliente ownership.Cliente) (out Status, err error) {
	out.Served, err = c.call(ctx, request{method: http.MethodGet, path: "/status", cliente: cliente, into: &out})
	return out, err
}

// QRCode returns the picture of the code to scan as a data URL. A Refusal with status 404:
// it is being made; 409: none is due.
func (c *Client) QRCode(ctx context.Context, cliente ownership.Cliente) (string, error) {
	var out struct{ QR string }
	_, err := c.call(ctx, request{method: http.MethodGet, path: "/qr-code", cliente: cliente, into: &out})
	return out.QR, err
}

// Message is what to send. Key is the Idempotency-Key, "" for none.
type Message struct{ To, Text, Key string }

// Sent is the answer to a send that WhatsApp has acknowledged.
type Sent struct {
	MessageID string `json:"message_id"`
	Served
}

// Send sends once.
func (c *Client) Send(ctx context.Context, cliente ownership.Cliente, m Message) (out Sent, err error) {
	body := map[string]any{"to": m.To, "message": m.Text, "cliente_id": cliente}
	out.Served, err = c.call(ctx, request{method: http.MethodPost, path: "/send", cliente: cliente, body: body, key: m.Key, into: &out})
	return out, err
}

// Owner is the answer to GET /owners/<cliente>; "" stands for null.
type Owner struct {
	Owner     string `json:"owner"`
	Epoch     string `json:"epoch"`
	Placement string `json:"placement"`
	VouchedBy string `json:"vouched_by"`
}

// Owner tells who owns a cliente. It starts nothing.
func (c *Client) Owner(ctx context.Context, cliente ownership.Cliente) (out Owner, err error) {
	_, err = c.call(ctx, request{method: http.MethodGet, path: "/owners/" + cliente.String(), into: &out})
	return out, err
}

// Info is the answer to GET /cluster.
type Info struct {
	Nodes []NodeInfo `json:"nodes"`
	Ring  struct {
		Members []string `json:"members"`
	} `json:"ring"`
}

// NodeInfo is a node as the one that was asked sees it.
type NodeInfo struct {
	Name      string `json:"name"`
	State     string `json:"state"`
	Address   string `json:"address"`
	Sessions  int    `json:"sessions"`
	Owned     int    `json:"owned"`
	VouchedBy string `json:"vouched_by"`
}

// ClusterInfo tells who is a member and how much each owns.
func (c *Client) ClusterInfo(ctx context.Context) (out Info, err error) {
	_, err = c.call(ctx, request{method: http.MethodGet, path: "/cluster", into: &out})
	return out, err
}

type request struct {
	method, path string
	cliente      ownership.Cliente // 0: none
	body         any
	key          string
	into         any
}

// call makes a request at one node, or at the next where the connection is refused.
func (c *Client) call(ctx context.Context, r request) (Served, error) {
	if len(c.bases) == 0 {
		return Served{}, errors.New("no node runs")
	}
	var body []byte
	if r.body != nil {
		var err error
		if body, err = json.Marshal(r.body); err != nil {
			return Served{}, err
		}
	}
	first := int(c.next.Add(1))
	var served Served
	var err error
	for i := range c.bases {
		served, err = c.callOne(ctx, c.bases[(first+i)%len(c.bases)], r, body)
		if err == nil || !isDialError(err) {
			return served, err
		}
	}
	return served, err
}

func (c *Client) callOne(ctx context.Context, base string, r request, body []byte) (Served, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, base+r.path, bytes.NewReader(body))
	if err != nil {
		return Served{}, err
	}
	if r.cliente != 0 {
		req.Header.Set("X-Cliente-Id", strconv.FormatInt(int64(r.cliente), 10))
	}
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.APIKey != "" {
		req.Header.Set("X-API-Key", c.APIKey)
	}
	if r.key != "" {
		req.Header.Set("Idempotency-Key", r.key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return Served{}, err // names method and URL
	}
	defer resp.Body.Close()
	served := Served{Owner: resp.Header.Get("X-Session-Owner"), Epoch: resp.Header.Get("X-Session-Epoch")}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return served, fmt.Errorf("%s %s: %w", r.method, r.path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return served, refusal(r, resp.StatusCode, raw)
	}
	if err := json.Unmarshal(raw, r.into); err != nil {
		return served, fmt.Errorf("%s %s: answer is not the JSON of the contract: %w", r.method, r.path, err)
	}
	return served, nil
}
