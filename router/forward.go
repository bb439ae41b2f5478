package router

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
	"golang.org/x/sys/unix"

	"session-manager/router/api"
	"session-manager/router/peer"
)

// dialTimeout bounds a connection to another node.
const dialTimeout = time.Second

// newClient is the client of other nodes. It tries everything once: what may be tried again is
// route.go's to say.
func newClient(l Limits, dial fasthttp.DialFunc) *fasthttp.Client {
	return &fasthttp.Client{
		NoDefaultUserAgentHeader:  true,
		MaxConnsPerHost:           l.Peer,
		MaxIdleConnDuration:       l.Idle / 2, // before the other side closes it
		MaxIdemponentCallAttempts: 1,
		MaxResponseBodySize:       l.Body,
		ReadBufferSize:            l.Header,
		DisablePathNormalizing:    true,
		RetryIfErr:                func(*fasthttp.Request, int, error) (bool, bool) { return false, false },
		Dial:                      dial,
	}
}

// unheard is for how long another node's machine may acknowledge nothing before a connection to it ends:
// what is under way may then be tried again. A process that merely stands still is not meant, its
// machine acknowledges.
const unheard = 5 * time.Second

// endUnheard lets the kernel end a connection whose other end has vanished without a word.
func endUnheard(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unheard.Milliseconds()))
	})
	return errors.Join(err, failed)
}

// dialer opens connections to other nodes. TLS and the nodes' introduction to one another are part of
// the dial, so that whatever goes wrong there goes wrong before a byte of a request is written.
func dialer(secure *tls.Config, proof *peer.Proof, all *peers) fasthttp.DialFunc {
	network := net.Dialer{Timeout: dialTimeout, Control: endUnheard}
	return func(address string) (net.Conn, error) {
		conn, err := network.Dial("tcp", address)
		all.tried(address, err)
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
		defer cancel()
		if conn, err = Secured(ctx, newSocket(conn), secure); err != nil {
			return nil, err
		}
		if proof != nil {
			to, err := proof.Find(address)
			if err != nil {
				_ = conn.Close()
				return nil, err
			}
			if err := proof.Introduce(ctx, conn, to); err != nil {
				return nil, err
			}
		}
		return all.keep(conn, address), nil
	}
}

// peerToken is what a request to a node carries; "": nothing.
func (r *Router) peerToken(address string) string {
	if r.cfg.Peers == nil {
		return ""
	}
	return r.cfg.Peers.Token(address)
}

// forward sends the request to a node's peer port, and takes its answer for ours unless that
// says that nothing was started.
func (r *Router) forward(ctx *fasthttp.RequestCtx, t target, address string, deadline time.Time) (outcome, error) {
	result, err := r.askByStream(ctx, t, address, deadline)
	if errors.Is(err, errNoStream) {
		result, err = r.askByHTTP(ctx, address, deadline)
	}
	if err == nil {
		result, err = r.judge(&ctx.Response, address)
	}
	if err == nil && t.route > api.FrontStatus && ctx.Response.StatusCode() == fasthttp.StatusNotFound && len(ctx.Response.Header.Peek(headerOwner)) == 0 {
		ctx.Response.Reset()
		r.unavailable(ctx, "the node that has it runs a release that does not know this route: upgrade all nodes")
	}
	if err != nil {
		ctx.Response.Reset()
		return result, fmt.Errorf("node at %s: %w", address, err)
	}
	if len(ctx.Response.Header.Peek(api.HeaderTell)) > 0 {
		ctx.Response.Header.Set(api.HeaderTell, address)
	}
	return result, nil
}

var (
	errNotThere = errors.New("it does not own the cliente, or not yet")
	errStranger = errors.New("it refuses this node")
)

// judge says whether a node's answer is the cliente's, or that nothing was started.
func (r *Router) judge(response *fasthttp.Response, address string) (outcome, error) {
	switch status := response.StatusCode(); {
	case status == fasthttp.StatusMisdirectedRequest,
		status == fasthttp.StatusServiceUnavailable && len(response.Header.Peek(headerNotStarted)) > 0:
		return notStarted, errNotThere
	case status == fasthttp.StatusForbidden && len(response.Header.Peek(headerOwner)) == 0: // an owner's own 403 is an answer
		r.news.Log(r.log, slog.LevelError, "another node refuses this one: do all nodes have the same cluster secret?", fmt.Errorf("node at %s", address))
		return notStarted, errStranger
	}
	return answered, nil
}

// askByStream asks the node by the stream to it. errNoStream: nothing was done, by HTTP it may be.
func (r *Router) askByStream(ctx *fasthttp.RequestCtx, t target, address string, deadline time.Time) (outcome, error) {
	to, body := r.streams.to(address), ctx.PostBody()
	if to == nil || len(body) > mostSpare {
		return notStarted, errNoStream // a large one would keep those behind it waiting
	}
	c := r.streams.calls.Get().(*call)
	defer r.streams.putBack(c)
	err := to.ask(c, asked{
		target: t, left: time.Until(deadline) - r.cfg.Limits.Reserve, body: body,
		key: ctx.Request.Header.Peek(headerKey), id: ctx.Request.Header.Peek(headerRequestID),
	}, deadline)
	switch {
	case err == nil:
	case errors.Is(err, errNoStream), errors.Is(err, errUnsent):
		return notStarted, err
	case errors.Is(err, errOverdue):
		return timedOut, err
	default:
		return broken, err
	}
	if err := parseAnswer(c.answer, &ctx.Response); err != nil {
		return broken, err
	}
	return answered, nil
}

// notForwarded are headers that are the caller's alone, or ours.
var notForwarded = []string{fasthttp.HeaderConnection, fasthttp.HeaderAuthorization, headerAPIKey, HeaderPeer, headerOwner, headerEpoch, headerNotStarted,
	fasthttp.HeaderExpect, fasthttp.HeaderTrailer}

// askByHTTP asks the node by a request of its own, and opens a stream for further ones where the
// node serves them.
func (r *Router) askByHTTP(ctx *fasthttp.RequestCtx, address string, deadline time.Time) (outcome, error) {
	response := &ctx.Response
	request := fasthttp.AcquireRequest()
	defer fasthttp.ReleaseRequest(request)
	ctx.Request.CopyTo(request)
	for _, h := range notForwarded {
		request.Header.Del(h)
	}
	if length := request.Header.ContentLength(); length > 0 || length == chunked {
		request.Header.SetContentLength(len(ctx.Request.Body()))
	}
	request.Header.Set(headerForwarded, r.cfg.Node)
	request.Header.Set(headerLeft, strconv.FormatInt(max(0, (time.Until(deadline)-r.cfg.Limits.Reserve).Milliseconds()), 10))
	if token := r.peerToken(address); token != "" {
		request.Header.Set(HeaderPeer, token)
	}
	request.URI().SetScheme("http")
	request.URI().SetHost(address)
	err := r.client.DoDeadline(request, response, deadline)
	switch {
	case err == nil:
	case insecure(err):
		r.news.Log(r.log, slog.LevelError, "no TLS with another node: do all nodes have it, and certificates of one authority?", err, "peer", address)
		return notStarted, err
	case errors.Is(err, peer.ErrRefused), errors.Is(err, peer.ErrStranger):
		r.metrics.strangers.Inc()
		r.news.Log(r.log, slog.LevelError, "another node does not take this one for a node of its cluster, or is none itself: have all nodes the same cluster secret?",
			err, "peer", address)
		return notStarted, err
	case unsent(err), errors.Is(err, peer.ErrUnknown), errors.Is(err, peer.ErrSilent):
		return notStarted, err
	case errors.Is(err, fasthttp.ErrTimeout):
		return timedOut, err
	default:
		return broken, err
	}
	if string(response.Header.Peek(headerStreams)) == streamsVersion {
		r.streams.offered(address)
	}
	response.Header.Del(headerStreams)
	response.Header.Del(fasthttp.HeaderConnection)
	return answered, nil
}

// unsent says whether err shows that no connection was had, so that no byte was written.
func unsent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial" || errors.Is(err, fasthttp.ErrDialTimeout) || errors.Is(err, fasthttp.ErrNoFreeConns)
}

// admitsPeer is authenticPeer; where it returns false it has answered 403.
func (r *Router) admitsPeer(ctx *fasthttp.RequestCtx) bool {
	if r.authenticPeer(ctx) {
		return true
	}
	api.Refuse(ctx, fasthttp.StatusForbidden, "FORBIDDEN", "Not a node of this cluster")
	return false
}

// strange books a caller at the peer port that is no node of this cluster, or knows another secret.
func (r *Router) strange(why error) {
	r.metrics.strangers.Inc()
	r.news.Log(r.log, slog.LevelWarn, "the peer port refuses who does not prove to be a node of this cluster: have all nodes the same cluster secret?", nil, "why", why.Error())
}

// authenticPeer says whether the request comes from a node that knows the cluster's secret.
func (r *Router) authenticPeer(ctx *fasthttp.RequestCtx) bool {
	if r.cfg.Peers == nil {
		return true
	}
	if met, ok := ctx.Conn().(*peer.Met); ok && met.From() != "" || r.cfg.Peers.Believes(ctx.Request.Header.Peek(HeaderPeer)) {
		return true
	}
	r.metrics.strangers.Inc()
	return false
}
