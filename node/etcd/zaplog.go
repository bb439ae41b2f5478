package etcd

import (
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"

	"go.uber.org/zap/zapcore"
)

// slogCore passes the embedded etcd's warnings and errors on. Its infos, some dozens at each
// start, are for those who run a stand-alone etcd.
type slogCore struct {
	log    *slog.Logger
	quiet  *atomic.Bool // etcd is being stopped, and calls each closed listener an error
	fields []zapcore.Field
}

// harmless are warnings of each start that nobody can act on: both are about a server with
// other clients than its own process.
var harmless = []string{"Running http and grpc server on single port", "simple token is not cryptographically signed"}

func (c slogCore) Enabled(l zapcore.Level) bool { return l >= zapcore.WarnLevel }
func (c slogCore) Sync() error                  { return nil }

func (c slogCore) With(fields []zapcore.Field) zapcore.Core {
	c.fields = slices.Concat(c.fields, fields)
	return c
}

func (c slogCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	said := func(text string) bool { return strings.HasPrefix(e.Message, text) }
	if c.Enabled(e.Level) && !c.quiet.Load() && !slices.ContainsFunc(harmless, said) {
		return ce.AddCore(e, c)
	}
	return ce
}

func (c slogCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	enc := zapcore.NewMapObjectEncoder()
	for _, f := range slices.Concat(c.fields, fields) {
		f.AddTo(enc)
	}
	args := []any{"text", strings.TrimSpace(e.Message)}
	for k, v := range enc.Fields {
		args = append(args, k, v)
	}
	if e.Level >= zapcore.ErrorLevel {
		c.log.Error("embedded etcd", args...)
	} else {
		c.log.Warn("embedded etcd", args...)
	}
	return nil
}
