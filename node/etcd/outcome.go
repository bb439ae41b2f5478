package etcd

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"

	"session-manager/node/ownership"
)

// call is one request to etcd: its own time limit, and whether any of it has left.
type call struct {
	sent atomic.Bool // a stream for it was opened on a connection
}

type callKey struct{}

// begin starts a call that takes RenewTimeout at most, less where ctx ends earlier.
func (c *Client) begin(ctx context.Context) (context.Context, *call, context.CancelFunc) {
	return c.beginWithin(ctx, c.timing.RenewTimeout)
}

func (c *Client) beginWithin(ctx context.Context, limit time.Duration) (context.Context, *call, context.CancelFunc) {
	k := &call{}
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, callKey{}, k), limit)
	return ctx, k, cancel
}

// failed is the error of a call that changes nothing, or whose repetition does no harm.
func (k *call) failed(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, rpctypes.ErrLeaseNotFound):
		return ErrLeaseGone
	case !k.sent.Load():
		// What etcd said then was about the login that comes before: it is within reach.
		unsent := fmt.Errorf("%w: %w", ErrUnreachable, err)
		var refusal *Refusal
		if errors.As(advised(err), &refusal) {
			return &Refusal{err: unsent, words: err, Advice: refusal.Advice}
		}
		return unsent
	}
	return advised(err)
}

// outcome is the error of a call that changes something: ownership.ErrUnknownOutcome unless it
// was certainly not carried out. That is certain in two cases only:
//
//   - it was never sent: no connection had taken it before its time was up. The client waits
//     for a connection, so this shows as a passed deadline, and only the trace tells it from
//     an answer that was lost;
//   - etcd itself refused it, in its own words, under a code that it gives before it applies
//     anything: see refused.
//
// Everything else says nothing: a deadline, a lost connection, "leader changed", "request timed
// out" and "server stopped" may all follow a proposal that the members still commit; "database
// space exceeded" is also the answer to the very write that crossed the quota, which is applied.
// Taking a refusal for unknown costs a read; the reverse would lose a key.
func (k *call) outcome(err error) error {
	err = k.failed(err)
	if err == nil || errors.Is(err, ErrLeaseGone) || errors.Is(err, ErrUnreachable) || refused(err) {
		return err
	}
	return fmt.Errorf("%w: %w", ownership.ErrUnknownOutcome, err)
}

// refused says that etcd refused the request before applying it. Only errors with etcd's own text
// count (rpctypes.EtcdError): the same codes may come from a proxy on the way. In the server,
// lease and revision are looked up, limits and the caller's rights checked, before the first
// write of a transaction.
func refused(err error) bool {
	var etcd rpctypes.EtcdError
	if !errors.As(err, &etcd) {
		return false
	}
	switch etcd.Code() {
	case codes.InvalidArgument, // malformed, too large, unknown user, old auth revision
		codes.NotFound,           // the lease
		codes.FailedPrecondition, // not capable, another cluster's
		codes.OutOfRange,         // a compacted or future revision
		codes.PermissionDenied, codes.Unauthenticated:
		return true
	}
	return false
}

// trace notes in a call that it has been sent. gRPC reports the header of a request before it
// writes the message, so what is not noted has not left this process.
type trace struct{}

// authenticate is the request that the client makes by itself to get a token: it is sent under
// the ctx of the call that needs the token, and is not that call.
const authenticate = "/etcdserverpb.Auth/Authenticate"

func (trace) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	if info.FullMethodName == authenticate {
		return context.WithValue(ctx, callKey{}, (*call)(nil))
	}
	return ctx
}

func (trace) HandleRPC(ctx context.Context, s stats.RPCStats) {
	if _, ok := s.(*stats.OutHeader); !ok {
		return
	}
	if k, _ := ctx.Value(callKey{}).(*call); k != nil {
		k.sent.Store(true)
	}
}

func (trace) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (trace) HandleConn(context.Context, stats.ConnStats)                       {}
