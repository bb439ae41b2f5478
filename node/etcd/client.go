// Package etcd is the authority of ownership: the node's lease, the keys that hang on it, and
// a view of all of them. It does what it is told; package node decides when.
//
// Keys, all under a prefix:
//
//	cluster          {uuid, generation}: which cluster this is (protocol rule 1)
//	nodes/<name>     a Member, on the node's lease
//	owners/<cliente> an owner, on the owner's lease; its create revision is the fencing token
//	accused/<inc>    who accused the process of that incarnation of being dead (rule 9)
//	moves/<cliente>, drains/<node>       an operator's orders
//	secret/agreed, secret/fingerprints   what nodes without a secret file agreed on; which secrets nodes have
//
// Every call has a time limit of its own, Timing.RenewTimeout. A call that changes something
// fails with ownership.ErrUnknownOutcome unless it was certainly not carried out; call.outcome
// says what is certain.
package etcd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"session-manager/node/ownership"
)

var (
	// ErrTaken: the ownership key stands under another lease, or is another process's.
	ErrTaken = errors.New("the cliente has another owner")
	// ErrNameTaken: nodes/<name> stands for another process.
	ErrNameTaken = errors.New("another process has the node's name")
	// ErrLeaseGone: the lease has ended at etcd, with all its keys.
	ErrLeaseGone = errors.New("lease has ended at etcd")
	// ErrOtherCluster: etcd's cluster record names another cluster.
	ErrOtherCluster = errors.New("etcd belongs to another cluster")
	// ErrUnreachable: no connection to etcd stood, so nothing was sent.
	ErrUnreachable = errors.New("no connection to etcd: is it running, and do the endpoints and TLS settings fit")
)

// DefaultPrefix is where the keys are when Config.Prefix is empty.
const DefaultPrefix = "/session-manager/"

// Config says where etcd is.
type Config struct {
	Endpoints []string // at least one; "https://host:port" with TLS, "http://host:port" or "host:port" without
	Prefix    string   // of all keys; "": DefaultPrefix. A missing slash at its end is added
	TLS       *tls.Config
	// Username and Password are for etcd's own users. Each renewal then costs etcd one
	// bcrypt (about 50 ms), since the client asks for a token per stream: for many nodes,
	// client certificates are the better way.
	Username, Password string
	// PasswordFile holds the password instead, and is read at each login: it may have been changed.
	PasswordFile string
	Timing       ownership.Timing
	Log          *slog.Logger
}

// Client speaks to etcd. It is safe for use by many goroutines.
type Client struct {
	kv     *clientv3.Client
	prefix string
	timing ownership.Timing
	log    *slog.Logger

	life context.Context // ends with Close
	end  context.CancelFunc
	work sync.WaitGroup // the views' goroutines
}

// Open makes a client. It does not wait for the server, nor tries the password; Ping does.
// It refuses an invalid Timing and malformed or missing endpoints.
func Open(cfg Config) (*Client, error) {
	if err := cfg.Timing.Validate(); err != nil {
		return nil, err
	}
	if cfg.Prefix == "" {
		cfg.Prefix = DefaultPrefix
	}
	if !strings.HasSuffix(cfg.Prefix, "/") {
		cfg.Prefix += "/"
	}
	door := &door{passwordFile: cfg.PasswordFile}
	if cfg.PasswordFile != "" {
		cfg.Password = "from a file" // the client asks for a token only where it has both
	}
	kv, err := clientv3.New(clientv3.Config{
		Endpoints:            cfg.Endpoints,
		TLS:                  cfg.TLS,
		Username:             cfg.Username,
		Password:             cfg.Password,
		DialKeepAliveTime:    keepAliveTime,
		DialKeepAliveTimeout: cfg.Timing.Renew,
		DialOptions:          dialOptions(door),
		// The second attempt is the one with a fresh token: tokens end after five minutes and
		// with the server. What was sent is never sent again: see call.outcome.
		MaxUnaryRetries: 2,
		Logger:          zap.NewNop(), // its errors come back to the callers, who log them
	})
	if err != nil {
		return nil, fmt.Errorf("etcd %s: %w", strings.Join(cfg.Endpoints, ","), err)
	}
	door.open.Store(true)
	c := &Client{kv: kv, prefix: cfg.Prefix, timing: cfg.Timing, log: cfg.Log}
	c.life, c.end = context.WithCancel(context.Background())
	return c, nil
}

// Close ends the views and the connection.
func (c *Client) Close() error {
	c.end()
	c.work.Wait()
	return c.kv.Close()
}

// Ping returns nil when etcd answers a read by its leader.
func (c *Client) Ping(ctx context.Context) error {
	ctx, call, done := c.begin(ctx)
	defer done()
	_, err := c.kv.Get(ctx, c.prefix+"cluster", clientv3.WithCountOnly())
	return call.failed(err)
}
