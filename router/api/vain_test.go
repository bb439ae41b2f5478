package api

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valyala/fasthttp"
)

// A send waits for what passes, and not for a node that has been without its store, or WhatsApp, for a while.
func TestFaultB5SendsAreNotKeptInVain(t *testing.T) {
	for _, row := range []struct {
		name  string
		code  string
		state State
		old   time.Duration // for which the session has been on its way
		waits bool
		want  string
		says  int
	}{
		{"store, just now", storeUnavailable, DisconnectedRecoverable, time.Second, true, "STORE_UNAVAILABLE", 503},
		{"store, for long", storeUnavailable, DisconnectedRecoverable, time.Minute, false, "STORE_UNAVAILABLE", 503},
		{"store, an attempt is under way", storeFailed, Reconnecting, time.Minute, false, "STORE_FAILED", 503},
		{"WhatsApp, just now", unreachable, DisconnectedRecoverable, time.Second, true, "WHATSAPP_UNAVAILABLE", 503},
		{"WhatsApp, for long", unreachable, DisconnectedRecoverable, time.Minute, false, "connection refused", 503},
		{"a session that is merely slow", "", Reconnecting, time.Minute, true, "SESSION_NOT_READY", 409},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScripted(Snapshot{State: row.state, Since: time.Now().Add(-row.old), LastError: ErrorInfo{row.code, "connection refused"}})
				h := &Handler{ReadyWait: 15 * time.Second}
				var ctx fasthttp.RequestCtx
				ctx.Request.SetBodyString(`{"to":"5491100000002","message":"hola"}`)
				begun := time.Now()
				if err := h.Serve(&ctx, context.Background(), Send, 51, s); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(begun); (took > 0) != row.waits || took > h.ReadyWait {
					t.Errorf("answered after %v", took)
				}
				if code, body := ctx.Response.StatusCode(), string(ctx.Response.Body()); code != row.says || !strings.Contains(body, row.want) {
					t.Errorf("%d %s", code, body)
				}
			})
		})
	}
}
