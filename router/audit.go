package router

import (
	"log/slog"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// audit says in the log who was refused, and who ordered what. A key is told by its name.
type audit struct {
	log *slog.Logger

	mu      sync.Mutex // guards what follows
	since   time.Time
	lines   int // of refusals since then
	dropped int
}

const (
	mostRefusalLines = 10 // in an interval: who guesses keys shall not fill a disk
	refusalInterval  = 10 * time.Second
	longestPath      = 200 // bytes of a path in a line
)

// refused says that a request was refused for its key. who has none where the key is not known.
func (a *audit) refused(ctx *fasthttp.RequestCtx, who caller, why string, args ...any) {
	dropped, ok := a.mayLog(time.Now())
	if !ok {
		return
	}
	if dropped > 0 {
		args = append(args, "more", dropped)
	}
	a.log.Warn("a request was refused: "+why, append(about(ctx, who), args...)...)
}

// mayLog says whether another line may be written, and how many were not.
func (a *audit) mayLog(now time.Time) (dropped int, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now.Sub(a.since) >= refusalInterval {
		a.since, a.lines = now, 0
	}
	if a.lines == mostRefusalLines {
		a.dropped++
		return 0, false
	}
	a.lines++
	dropped, a.dropped = a.dropped, 0
	return dropped, true
}

// ordered says who ordered what, and what became of it.
func (a *audit) ordered(ctx *fasthttp.RequestCtx, who caller, order string, err error) {
	args := append(about(ctx, who), "order", order)
	if err != nil {
		a.log.Warn("an operator's order was not taken", append(args, "err", err)...)
		return
	}
	a.log.Info("an operator's order was taken", args...)
}

// about is what a line says of a request.
func about(ctx *fasthttp.RequestCtx, who caller) []any {
	path := ctx.Path()
	name := who.name()
	if name == "" {
		name = "none"
	}
	return []any{
		"key", name, "method", string(ctx.Method()), "path", string(path[:min(len(path), longestPath)]),
		"from", ctx.RemoteAddr().String(), "request_id", requestID(ctx),
	}
}
