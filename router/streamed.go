package router

import (
	"bufio"
	"net"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// received is a request that has come by a stream, with all that it takes to serve it. It is used
// again for another one.
type received struct {
	fasthttp.RequestCtx
	frame  []byte // without its head
	number uint32
	asked
}

// serveStream makes the connection a stream of another node's requests.
func (r *Router) serveStream(ctx *fasthttp.RequestCtx) {
	ctx.Hijack(func(c net.Conn) {
		_ = c.SetDeadline(time.Time{})
		if !r.streamed.add(c) {
			return
		}
		defer r.streamed.remove(c)
		r.serveFrames(c)
	})
}

// serveFrames serves requests until the connection ends, or is to be read from no more. Then what
// is under way is still answered.
func (r *Router) serveFrames(c net.Conn) {
	out := newOutbox(c)
	var writing, serving sync.WaitGroup
	writing.Go(func() {
		if out.run() != nil {
			_ = c.SetReadDeadline(time.Unix(1, 0)) // nobody hears the answers
		}
	})
	in := bufio.NewReaderSize(c, streamBuffer)
	for slots := make(chan struct{}, mostCalls); ; {
		q, err := r.readRequest(in)
		if err != nil {
			break
		}
		if q.route == told {
			r.hear(q.cliente, string(q.key))
			q.clear()
			r.received.Put(q)
			continue
		}
		slots <- struct{}{}
		serving.Go(func() {
			r.serveFrame(q)
			out.add(len(slots) == 1, q.appendAnswer) // false: nobody hears it
			q.clear()
			r.received.Put(q)
			<-slots
		})
	}
	serving.Wait()
	out.close()
	writing.Wait()
}

func (r *Router) readRequest(in *bufio.Reader) (*received, error) {
	number, length, err := readHead(in, requestHead+maxKey+maxRequestID+mostSpare)
	if err != nil {
		return nil, err
	}
	q := r.received.Get().(*received)
	q.number = number
	if q.frame, err = readRest(in, length, q.frame); err != nil {
		return nil, err
	}
	q.asked, err = parseRequest(q.frame)
	return q, err
}

func (r *Router) serveFrame(q *received) {
	begun := time.Now()
	if len(q.key) > 0 {
		q.Request.Header.SetBytesV(headerKey, q.key)
	}
	if len(q.id) > 0 {
		q.Request.Header.SetBytesV(headerRequestID, q.id)
	}
	q.Request.SetBodyRaw(q.body)
	if kind(q.route) >= routes {
		notFound(&q.RequestCtx)
		return
	}
	r.guard(&q.RequestCtx, begun, func(ctx *fasthttp.RequestCtx) { r.serveOwned(ctx, q.target, begun.Add(q.left)) })
}

func (q *received) appendAnswer(b []byte) []byte { return appendAnswer(b, q.number, &q.Response) }

// clear makes it ready for another request.
func (q *received) clear() {
	q.Request.Reset()
	q.Response.Reset()
	q.ResetUserValues()
	if cap(q.frame) > mostSpare {
		q.frame = nil
	}
}
