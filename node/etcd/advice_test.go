package etcd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"session-manager/node/ownership"
)

// TestFaultB4Advice: what etcd refuses in its own words is told with what to do, and is no more certain than
// it was. The same code from a proxy on the way is none of etcd's words.
func TestFaultB4Advice(t *testing.T) {
	for name, c := range map[string]struct {
		err     error
		says    string // "": nothing
		unknown bool
	}{
		"no space":          {rpctypes.ErrGRPCNoSpace, "alarm disarm", true},
		"as the client has": {rpctypes.ErrNoSpace, "alarm disarm", true},
		"permission":        {rpctypes.ErrPermissionDenied, "readwrite", false},
		"password":          {rpctypes.ErrAuthFailed, "--etcd-password-file", false},
		"no user":           {rpctypes.ErrUserEmpty, "--etcd-user", false},
		"too many requests": {rpctypes.ErrTooManyRequests, "too much to do", true},
		"no leader":         {rpctypes.ErrGRPCNoLeader, "no leader", true},
		"a proxy's":         {status.Error(codes.ResourceExhausted, "quota of the mesh"), "", true},
		"a deadline":        {status.Error(codes.DeadlineExceeded, "context deadline exceeded"), "", true},
	} {
		k := &call{}
		k.sent.Store(true)
		err := k.outcome(c.err)
		var r *Refusal
		if errors.As(err, &r) != (c.says != "") || c.says != "" && !strings.Contains(err.Error(), c.says) || errors.Is(err, ownership.ErrUnknownOutcome) != c.unknown {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFaultB4NoSpace: an etcd whose quota is used up says so to who wants to own a cliente, or a lease; what is
// owned goes on, and is given back.
func TestFaultB4NoSpace(t *testing.T) {
	quiet := new(atomic.Bool)
	cfg := embeddedConfig(EmbeddedConfig{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)}, quiet)
	cfg.QuotaBackendBytes = 64 << 10
	e, err := start(deadline(t), cfg, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	c, ctx := client(t, e.Endpoint()), deadline(t)
	lease := grantLong(t, c)
	revision, err := c.CreateOwner(ctx, 1, lease, me)
	if err != nil {
		t.Fatal(err)
	}
	filler := strings.Repeat("x", 32<<10)
	eventually(t, 30*time.Second, "no space", func() bool {
		_, err := c.kv.Put(ctx, fmt.Sprint("filler ", time.Now().UnixNano()), filler)
		return err != nil
	})
	eventually(t, 30*time.Second, "the alarm", func() bool {
		_, _, err := c.Grant(context.WithoutCancel(ctx), time.Minute)
		return err != nil
	})
	var refusal *Refusal
	if _, err := c.CreateOwner(ctx, 2, lease, me); !errors.As(err, &refusal) || !errors.Is(err, ownership.ErrUnknownOutcome) {
		t.Errorf("create: %v", err)
	}
	if _, _, err := c.Grant(ctx, time.Minute); !errors.As(err, &refusal) {
		t.Errorf("grant: %v", err)
	}
	if _, err := c.Renew(ctx, lease); err != nil {
		t.Errorf("renew: %v", err)
	}
	if err := c.DeleteOwner(ctx, 1, revision); err != nil {
		t.Errorf("delete: %v", err)
	}
}
