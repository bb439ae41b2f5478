// Package router is the HTTP edge of a node: any node takes any request and gets it to the
// cliente's owner.
//
//	request -> target.go: which route, which cliente -> route.go: mine? serve it (package api)
//	                                                    theirs? forward.go, once, to the owner
//	                                                    nobody's? placement's node tries
//
// Nodes ask one another by streams (stream.go), which carry many requests at once, and by HTTP where
// there is none.
//
// Routes follow ownership, which Directory knows from etcd's watch. What may be tried again is
// one table, in route.go. The public port authenticates callers (auth.go), the peer port other nodes.
package router

import (
	"context"
	"crypto/tls"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttpadaptor"

	"session-manager/node/ownership"
	"session-manager/node/rarely"
	"session-manager/router/api"
	"session-manager/router/keys"
	"session-manager/router/peer"
)

// Location is where a cliente is. Owner "": nobody owns it as far as this node knows.
type Location struct {
	Owner            string // node
	Address          string // of the owner's peer port
	Epoch            ownership.Token
	Mine             bool   // this node owns it, or is on its way into or out of owning it
	Placement        string // node that should try first
	PlacementAddress string
	PlacementMine    bool
}

// Directory knows where clientes are.
type Directory interface {
	Locate(c ownership.Cliente) Location
	Changed() <-chan struct{} // closed at the next change; to be taken before Locate
	// InVain is why waiting for an owner does not help; nil: it may.
	InVain() error
}

// Local gives out the sessions of this node.
type Local interface {
	// Running is the cliente's session if it runs here, which is to own the cliente.
	Running(c ownership.Cliente) (s api.Session, epoch ownership.Token, ok bool)
	// Session is the cliente's session here, started where this node may own it. It waits as
	// long as ctx lets it. Any error means that nothing was done for the request.
	Session(ctx context.Context, c ownership.Cliente) (s api.Session, epoch ownership.Token, err error)
}

// Operator answers the operator's routes.
type Operator interface {
	Ready() error                                                 // nil, or why this node does not serve
	Note() string                                                 // what a probe is told of a node that is ready; "": nothing
	Cluster() any                                                 // body of /cluster
	Reachable() error                                             // nil, or why WhatsApp cannot be reached
	Owner(c ownership.Cliente) any                                // body of /owners/<cliente>
	Known(ctx context.Context, c ownership.Cliente) (bool, error) // whether the cliente ever existed
}

// Config is what a Router is made of.
type Config struct {
	Node        string
	Version     string
	Incarnation string // of this process
	Directory   Directory
	Local       Local
	Operator    Operator
	Orders      Orders
	Peers       *peer.Proof // authenticates nodes to one another; nil: any peer is believed
	PeerTLS     *tls.Config // of connections to other nodes; nil: plain
	Origins     Origins
	Keys        *keys.File // API keys of the public port; nil: none are asked for
	Limits      Limits
	// DefaultCliente is meant by callers' requests without X-Cliente-Id; 0: those are refused.
	DefaultCliente ownership.Cliente
	Log            *slog.Logger
	Registry       *prometheus.Registry // gets the router's metrics, and is what /metrics shows
}

// maxReconnections is what callers are told as max_reconnection_attempts.
const maxReconnections = 3

// Router serves the public, the trusted and the peer port.
type Router struct {
	cfg      Config
	log      *slog.Logger
	news     rarely.Lines // of what each request would say again
	handler  *api.Handler
	public   *fasthttp.Server
	trusted  *fasthttp.Server
	peer     *fasthttp.Server
	client   *fasthttp.Client
	metrics  *metrics
	scrape   fasthttp.RequestHandler
	bodies   *bodies
	lastHost atomic.Pointer[string] // by which a port without keys was called last, and may be
	audit    audit
	crowds   *crowds
	waiting  places
	operates atomic.Int64 // requests of the operator's routes in flight
	leaving  atomic.Bool
	standing standing
	peers    peers
	streams  *streams  // to other nodes
	streamed standing  // of other nodes, to this one
	received sync.Pool // of *received
	ids      requestIDs

	life context.Context // ends at Shutdown's deadline: requests still under way give up
	end  context.CancelFunc
	once sync.Once

	tells tells
}

//go:embed openapi.yaml
var openAPI []byte

//go:embed console.html
var console []byte

// New makes a router; Serve, ServeTrusted and ServePeer open its ports.
func New(cfg Config) (*Router, error) {
	if cfg.Directory == nil || cfg.Local == nil || cfg.Operator == nil || cfg.Orders == nil || cfg.Registry == nil {
		return nil, errors.New("router: a part is missing")
	}
	cfg.Limits = cfg.Limits.complete()
	r := &Router{
		cfg: cfg, log: cfg.Log,
		handler: &api.Handler{MaxReconnections: maxReconnections, ReadyWait: cfg.Limits.ReadyWait, QRWait: cfg.Limits.QRWait},
		scrape:  fasthttpadaptor.NewFastHTTPHandler(promhttp.HandlerFor(cfg.Registry, promhttp.HandlerOpts{})),
	}
	r.metrics = newMetrics(cfg.Registry, &r.waiting)
	r.ids.prefix = cfg.Incarnation[max(0, len(cfg.Incarnation)-10):] + "-" // a ULID ends in 10 random characters, or more
	dial := dialer(cfg.PeerTLS, cfg.Peers, &r.peers)
	r.client = newClient(cfg.Limits, dial)
	r.streams = newStreams(dial, r.peerToken, cfg.Limits.Header+cfg.Limits.Body)
	r.audit.log = cfg.Log
	r.crowds = newCrowds(cfg.Limits.Crowd)
	r.bodies = newBodies(cfg.Limits.Bodies)
	r.received.New = func() any { return new(received) }
	r.life, r.end = context.WithCancel(context.Background())
	r.public = r.server(r.identified(r.called(cfg.Keys == nil, r.parting(r.servePublic))), func(ctx *fasthttp.RequestCtx) bool {
		if !r.admit(ctx, cfg.Keys == nil) {
			return false
		}
		_, ok := r.authenticate(ctx)
		return ok
	})
	r.trusted = r.server(r.identified(r.called(true, r.parting(r.serveTrusted))), func(ctx *fasthttp.RequestCtx) bool { return r.admit(ctx, true) })
	r.peer = r.server(r.servePeer, r.admitsPeer)
	return r, nil
}

// server makes a server of one port. admits says whether a caller's body may be waited for; where
// it returns false it has answered.
//
// Handlers read bodies themselves (body.go), once they know who calls.
func (r *Router) server(handler fasthttp.RequestHandler, admits func(*fasthttp.RequestCtx) bool) *fasthttp.Server {
	return &fasthttp.Server{
		Handler:                      r.guarded(handler),
		ExpectHandler:                r.expected(admits),
		ErrorHandler:                 r.badRequest,
		Name:                         "session-manager",
		ReadTimeout:                  r.cfg.Limits.Read,
		WriteTimeout:                 r.cfg.Limits.Read,
		IdleTimeout:                  r.cfg.Limits.Idle,
		StreamRequestBody:            true,
		MaxRequestBodySize:           promptBody,
		ReadBufferSize:               r.cfg.Limits.Header,
		CloseOnShutdown:              true,
		NoDefaultServerHeader:        true,
		Logger:                       quiet{},
		DisablePreParseMultipartForm: true,
		LazyRequestTime:              true,
	}
}

// expected says whether a caller who asks before it sends a body shall go on.
func (r *Router) expected(admits func(*fasthttp.RequestCtx) bool) func(*fasthttp.RequestCtx) int {
	return func(ctx *fasthttp.RequestCtx) int {
		r.identify(ctx)
		if admits(ctx) {
			if ctx.Request.Header.ContentLength() <= r.cfg.Limits.Body {
				return fasthttp.StatusContinue
			}
			r.refuseUnread(ctx, fasthttp.ErrBodyTooLarge)
		}
		r.metrics.served(malformed, ctx.Response.StatusCode(), 0)
		return ctx.Response.StatusCode()
	}
}

// quiet drops fasthttp's own lines: they are about single connections.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

// Serve serves callers until Shutdown; then it returns nil.
func (r *Router) Serve(l net.Listener) error { return served(r.public.Serve(unhurriedListener{l})) }

// ServeTrusted serves callers who need no key until Shutdown; then it returns nil.
func (r *Router) ServeTrusted(l net.Listener) error {
	return served(r.trusted.Serve(unhurriedListener{l}))
}

// ServePeer serves other nodes until Shutdown; then it returns nil.
func (r *Router) ServePeer(l net.Listener) error {
	l = unhurriedListener{l}
	if r.cfg.Peers != nil {
		l = peer.Listen(l, r.cfg.Peers, r.strange)
	}
	return served(r.peer.Serve(l))
}

func served(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Leave makes every answer to a caller close its connection, so that the next request comes by a
// new one, which a load balancer opens elsewhere.
func (r *Router) Leave() { r.leaving.Store(true) }

// Shutdown closes the callers' ports, lets their requests end, then the peer port: other nodes'
// requests are served to the last. Requests that are not done when ctx ends are given up.
func (r *Router) Shutdown(ctx context.Context) error {
	var err error
	r.once.Do(func() {
		stop := context.AfterFunc(ctx, r.end)
		defer stop()
		err = errors.Join(r.public.ShutdownWithContext(ctx), r.trusted.ShutdownWithContext(ctx), r.peer.ShutdownWithContext(ctx))
		r.tells.close()
		r.streams.close()
		r.streamed.close()
		err = errors.Join(err, r.streamed.wait(ctx))
		r.end()
		r.standing.close()
		r.client.CloseIdleConnections()
	})
	return err
}

// guarded keeps a panic within its request.
func (r *Router) guarded(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) { r.guard(ctx, ctx.Time(), next) }
}

func (r *Router) guard(ctx *fasthttp.RequestCtx, begun time.Time, next fasthttp.RequestHandler) {
	defer func() {
		if p := recover(); p != nil {
			r.metrics.panics.Inc()
			r.log.Error("panic while serving a request", "panic", fmt.Sprint(p), "path", string(ctx.Path()), "request_id", requestID(ctx), "stack", string(debug.Stack()))
			ctx.Response.Reset()
			r.identify(ctx)
			ctx.SetConnectionClose() // it may have been a HEAD, whose answer has no body
			api.Refuse(ctx, fasthttp.StatusInternalServerError, "INTERNAL_ERROR", "Internal error")
		}
		if ctx.Request.IsBodyStream() {
			linger(ctx.Conn())
		}
		what, _ := ctx.UserValue(kindKey).(kind)
		r.metrics.served(what, ctx.Response.StatusCode(), time.Since(begun))
	}()
	next(ctx)
}

// parting closes the connections of callers after Leave.
func (r *Router) parting(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		next(ctx)
		if r.leaving.Load() {
			ctx.SetConnectionClose()
		}
	}
}

// badRequest answers what could not even be read as a request.
func (r *Router) badRequest(ctx *fasthttp.RequestCtx, err error) {
	ctx.Response.Header.SetConnectionClose()
	linger(ctx.Conn())
	r.identify(ctx)
	r.refuseUnread(ctx, err)
	r.metrics.served(malformed, ctx.Response.StatusCode(), 0)
}
