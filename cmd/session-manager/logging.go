package main

import (
	"io"
	"log"
	"log/slog"
	"os"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/grpclog"
)

// output is what a running node prints: its log, and the line that says that it is ready. Neither makes
// the node wait, and neither ends it.
type output struct {
	log      *slog.Logger
	err, out *lines
}

// newOutput takes the streams over. Close gives them back.
func (c *serveCmd) newOutput(s streams) *output {
	outlivePipes()
	o := &output{}
	o.err = newLines(taken(s.err), func(n uint64) { o.log.Warn("log lines were dropped: nobody read them in time", "lines", n) })
	o.out = newLines(taken(s.out), func(uint64) {})
	o.log = c.logger(o.err)
	// These print to standard error by themselves.
	log.SetFlags(0)
	log.SetOutput(plain{o.log})
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, plain{o.log}))
	return o
}

func taken(w io.Writer) io.Writer {
	if f, ok := w.(*os.File); ok {
		return unblock(f)
	}
	return w
}

// Close lets the last lines out.
func (o *output) Close() {
	log.SetOutput(io.Discard)
	o.out.Close()
	o.err.Close()
}

// metric counts what was dropped.
func (o *output) metric() prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "session_manager_log_lines_dropped_total", Help: "Lines of this node's output that nobody read in time, or that could not be written.",
	}, func() float64 { return float64(o.err.Dropped() + o.out.Dropped()) })
}

func (c *serveCmd) logger(to io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.LogLevel}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(to, options))
	}
	return slog.New(slog.NewTextHandler(to, options))
}

// plain makes a record of a line that a library prints.
type plain struct{ log *slog.Logger }

func (p plain) Write(line []byte) (int, error) {
	p.log.Warn("a library says", "text", strings.Join(strings.Fields(string(line)), " "))
	return len(line), nil
}
