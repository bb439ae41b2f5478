package router

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/valyala/fasthttp"
)

// dialTimeout bounds a connection to another node.
const dialTimeout = time.Second

// newClient is the client of other nodes. It tries everything once: what may be tried again is
// route.go's to say. With TLS, secured shakes hands as part of the dial, so that whatever goes
// wrong there goes wrong before a byte of a request is written.
func newClient(l Limits, secure *tls.Config, all *peers) *fasthttp.Client {
	return &fasthttp.Client{
		NoDefaultUserAgentHeader:  true,
		MaxConnsPerHost:           4096,
		MaxIdleConnDuration:       l.Idle / 2, // before the other side closes it
		MaxIdemponentCallAttempts: 1,
		MaxResponseBodySize:       l.Body,
		ReadBufferSize:            l.Header,
		DisablePathNormalizing:    true,
		RetryIfErr:                func(*fasthttp.Request, int, error) (bool, bool) { return false, false },
		Dial: func(address string) (net.Conn, error) {
			conn, err := fasthttp.DialTimeout(address, dialTimeout)
			if err != nil {
				return nil, err
			}
			ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
			defer cancel()
			if conn, err = Secured(ctx, conn, secure); err != nil {
				return nil, err
			}
			return all.keep(conn, address), nil
		},
	}
}

// forward sends the request to a node's peer port, and takes its answer for ours unless that
// says that nothing was started.
func (r *Router) forward(ctx *fasthttp.RequestCtx, address string, deadline time.Time) (outcome, error) {
	request, response := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(request)
	defer fasthttp.ReleaseResponse(response)
	ctx.Request.CopyTo(request)
	for _, h := range []string{fasthttp.HeaderConnection, fasthttp.HeaderAuthorization, headerAPIKey, HeaderPeer, headerOwner, headerEpoch, headerNotStarted} {
		request.Header.Del(h) // the caller's alone, or ours
	}
	request.Header.Set(headerForwarded, r.cfg.Node)
	if r.token != "" {
		request.Header.Set(HeaderPeer, r.token)
	}
	request.URI().SetScheme("http")
	request.URI().SetHost(address)
	// The other node answers within Answer by itself; the reserve is for its answer's way.
	err := r.client.DoDeadline(request, response, deadline.Add(2*time.Second))
	switch {
	case err == nil:
	case insecure(err):
		r.log.Error("no TLS with another node: do all nodes have it, and certificates of one authority?", "peer", address, "err", err)
		return notStarted, fmt.Errorf("node at %s: %w", address, err)
	case unsent(err):
		return notStarted, fmt.Errorf("node at %s: %w", address, err)
	case errors.Is(err, fasthttp.ErrTimeout):
		return timedOut, err
	default:
		return broken, fmt.Errorf("node at %s: %w", address, err)
	}
	switch status := response.StatusCode(); {
	case status == fasthttp.StatusMisdirectedRequest,
		status == fasthttp.StatusServiceUnavailable && len(response.Header.Peek(headerNotStarted)) > 0:
		return notStarted, fmt.Errorf("node at %s does not own the cliente, or not yet", address)
	case status == fasthttp.StatusForbidden:
		r.log.Error("another node refuses this one: do all nodes have the same cluster secret?", "peer", address)
		return notStarted, fmt.Errorf("node at %s refuses this node", address)
	}
	response.Header.Del(fasthttp.HeaderConnection)
	response.CopyTo(&ctx.Response)
	return answered, nil
}

// unsent says whether err shows that no connection was had, so that no byte was written.
func unsent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial" || errors.Is(err, fasthttp.ErrDialTimeout) || errors.Is(err, fasthttp.ErrNoFreeConns)
}

// authenticPeer says whether the request comes from a node that knows the cluster's secret.
func (r *Router) authenticPeer(ctx *fasthttp.RequestCtx) bool {
	return r.token == "" || subtle.ConstantTimeCompare(ctx.Request.Header.Peek(HeaderPeer), []byte(r.token)) == 1
}
