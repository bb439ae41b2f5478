package router

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
)

// ErrInsecure: a connection to another node was had, but no TLS on it.
var ErrInsecure = errors.New("no TLS handshake")

// Secured is a connection to another node's peer port with TLS on it, or conn itself where
// there is no configuration. Where it returns an error, ErrInsecure, it has closed conn.
func Secured(ctx context.Context, conn net.Conn, c *tls.Config) (net.Conn, error) {
	if c == nil {
		return conn, nil
	}
	secure := tls.Client(conn, c)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("%w: %w", ErrInsecure, err)
	}
	return secure, nil
}

// insecure says whether err shows that there was no TLS with the other node, so that no
// request was read there. In TLS 1.3 a server refuses the client's certificate after the
// client's handshake, by an alert in place of an answer; a node sends no other alert than that.
func insecure(err error) bool {
	var op *net.OpError
	return errors.Is(err, ErrInsecure) || errors.As(err, &op) && op.Op == "remote error"
}
