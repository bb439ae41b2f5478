package router

import (
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"session-manager/node/ownership"
	"session-manager/router/api"
)

// The owner of a cliente wants to know when the caller of a send without a key has its answer: until then the
// same body sent again is the same message. Only the node that the caller asked sees that, so it says so:
// by the stream to the owner's node, else by a request of its own.

const (
	toldPath = "/told"
	// tellTimeout bounds a request that tells. Where it is lost, the same body sent again is taken for
	// the same message, for some minutes.
	tellTimeout = time.Second
	// mostTells go by requests of their own at once; further ones are lost.
	mostTells = 64
)

// tells are the requests that tell, under way.
type tells struct {
	mu     sync.Mutex // guards what follows
	closed bool
	now    int
	work   sync.WaitGroup
}

// tellOnceWritten sees to it that the owner is told once the answer, which is ready now, has been written.
func (r *Router) tellOnceWritten(ctx *fasthttp.RequestCtx, c ownership.Cliente) {
	to := string(ctx.Response.Header.Peek(api.HeaderTell))
	if to == "" {
		return
	}
	ctx.Response.Header.Del(api.HeaderTell)
	key := string(ctx.Request.Header.Peek(headerKey))
	if conn, ok := ctx.Conn().(interface{ onceWritten(func()) }); ok {
		conn.onceWritten(func() { r.tell(to, c, key) })
	}
}

// tell tells the owner, at once and without waiting for it.
func (r *Router) tell(to string, c ownership.Cliente, key string) {
	if to == api.Here {
		r.hear(c, key)
		return
	}
	if s := r.streams.to(to); s != nil {
		_, ok := s.out.add(false, func(b []byte) []byte {
			return appendRequest(b, 0, asked{target: target{told, c}, key: []byte(key)})
		})
		if ok {
			return
		}
	}
	if r.tells.begin() {
		go func() {
			defer r.tells.end()
			r.tellByHTTP(to, c, key)
		}()
	}
}

func (r *Router) tellByHTTP(to string, c ownership.Cliente, key string) {
	request, response := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(request)
	defer fasthttp.ReleaseResponse(response)
	request.Header.SetMethod(fasthttp.MethodPost)
	request.SetRequestURI(toldPath)
	request.URI().SetScheme("http")
	request.URI().SetHost(to)
	request.Header.Set(headerCliente, c.String())
	request.Header.Set(headerKey, key)
	if token := r.peerToken(to); token != "" {
		request.Header.Set(HeaderPeer, token)
	}
	if err := r.client.DoTimeout(request, response, tellTimeout); err != nil {
		r.log.Debug("the owner was not told that a caller has its answer", "cliente", c, "peer", to, "err", err)
	}
}

// serveTold hears of an answer from another node.
func (r *Router) serveTold(ctx *fasthttp.RequestCtx) bool {
	if string(ctx.Path()) != toldPath {
		return false
	}
	if c, err := ownership.ParseCliente(string(ctx.Request.Header.Peek(headerCliente))); err == nil {
		r.hear(c, string(ctx.Request.Header.Peek(headerKey)))
	}
	ctx.SetStatusCode(fasthttp.StatusNoContent)
	return true
}

// hear passes on that the caller of a send has its answer. Where the session is not here any more nobody
// needs to know: its next owner has found what it needs in the store.
func (r *Router) hear(c ownership.Cliente, key string) {
	if s, _, ok := r.cfg.Local.Running(c); ok {
		s.Told(key)
	}
}

func (t *tells) begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || t.now >= mostTells {
		return false
	}
	t.now++
	t.work.Add(1)
	return true
}

func (t *tells) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now--
	t.work.Done()
}

// close returns when none is under way; none begins any more.
func (t *tells) close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.work.Wait()
}
