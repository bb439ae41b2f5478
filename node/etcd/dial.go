package etcd

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

// keepAliveTime is between the pings of a silent connection: gRPC's smallest (it raises lower
// values to this). While a node holds a lease it writes every second, and then an other end
// that vanished without a word is noticed within DialKeepAliveTimeout, which gRPC also sets as
// the socket's TCP_USER_TIMEOUT.
const keepAliveTime = 10 * time.Second

func dialOptions(d *door) []grpc.DialOption {
	return []grpc.DialOption{
		// gRPC's default back-off grows to 120 s: after a 30 s outage clients stayed away for
		// 8-16 s more, and every lease was lost.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
			MinConnectTimeout: time.Second,
		}),
		grpc.WithStatsHandler(trace{}),
		grpc.WithChainUnaryInterceptor(d.pass),
	}
}

// door keeps Open from waiting. With a user name the etcd client asks for a token before it
// returns, and fails where the server is away. Until the door is open that request is answered
// here, with what a server without users says; the first real call then fetches the token, as
// it does whenever a token has run out. Where the password is in a file, the one that stands there by then
// goes out.
type door struct {
	open         atomic.Bool
	passwordFile string // "": none
}

func (d *door) pass(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if method == authenticate && !d.open.Load() {
		return rpctypes.ErrGRPCAuthNotEnabled
	}
	if login, ok := request.(*etcdserverpb.AuthenticateRequest); ok && d.passwordFile != "" {
		text, err := os.ReadFile(d.passwordFile)
		if err != nil {
			return fmt.Errorf("password of etcd: %w", err)
		}
		request = &etcdserverpb.AuthenticateRequest{Name: login.Name, Password: strings.TrimSpace(string(text))}
	}
	return invoke(ctx, method, request, reply, conn, opts...)
}
