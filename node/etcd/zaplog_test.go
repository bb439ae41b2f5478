package etcd

import (
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/zap"
)

func TestEtcdsLogInOurs(t *testing.T) {
	var out syncBuffer
	silent := new(atomic.Bool)
	log := zap.New(slogCore{log: slog.New(slog.NewTextHandler(&out, nil)), quiet: silent}).With(zap.String("part", "raft"))
	log.Info("info")
	log.Warn("simple token is not cryptographically signed")
	if got := out.String(); got != "" {
		t.Errorf("what nobody can act on: %s", got)
	}
	log.Warn("slow disk", zap.Int("ms", 7))
	log.Error("no disk")
	for _, want := range []string{"level=WARN", `text="slow disk"`, "part=raft", "ms=7", "level=ERROR", `text="no disk"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is not in: %s", want, out.String())
		}
	}
	silent.Store(true)
	before := out.String()
	log.Error("listener closed")
	if out.String() != before {
		t.Error("an end that was asked for is logged as an error")
	}
}
