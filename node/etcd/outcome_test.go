package etcd

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"session-manager/node/ownership"
)

func TestOutcomeOfErrors(t *testing.T) {
	for _, test := range []struct {
		err     error
		unknown bool
	}{
		{rpctypes.ErrPermissionDenied, false},
		{rpctypes.ErrInvalidAuthToken, false},
		{rpctypes.ErrAuthOldRevision, false},
		{rpctypes.ErrUserEmpty, false},
		{rpctypes.ErrRequestTooLarge, false},
		{rpctypes.ErrDuplicateKey, false},
		{rpctypes.ErrCompacted, false},
		{rpctypes.ErrNotCapable, false},
		{rpctypes.ErrLeaseNotFound, false},
		{rpctypes.ErrNoSpace, true}, // the write that crossed the quota is applied, and told this
		{rpctypes.ErrTimeout, true},
		{rpctypes.ErrTimeoutDueToLeaderFail, true},
		{rpctypes.ErrTimeoutDueToConnectionLost, true},
		{rpctypes.ErrLeaderChanged, true},
		{rpctypes.ErrStopped, true},
		{rpctypes.ErrCorrupt, true},
		{context.DeadlineExceeded, true},
		{context.Canceled, true},
		{status.Error(codes.Unavailable, "connection reset by peer"), true},
		{status.Error(codes.Internal, "stream terminated"), true},
		{status.Error(codes.ResourceExhausted, "received message larger than max"), true},
		{status.Error(codes.PermissionDenied, "a proxy's 403"), true}, // not etcd's own words
		{errors.New("something new"), true},
	} {
		sent := &call{}
		sent.sent.Store(true)
		if err := sent.outcome(test.err); errors.Is(err, ownership.ErrUnknownOutcome) != test.unknown {
			t.Errorf("%v, sent: got %v, want unknown %v", test.err, err, test.unknown)
		}
		if err := (&call{}).outcome(test.err); errors.Is(err, ownership.ErrUnknownOutcome) {
			t.Errorf("%v, never sent: got %v", test.err, err)
		}
	}
	if err := (&call{}).outcome(nil); err != nil {
		t.Error(err)
	}
}

// What etcd applied before its answer was lost is unknown, and stands when it is read back.
func TestLostReplies(t *testing.T) {
	e := embedded(t)
	relay := newRelay(t, e.Endpoint())
	c, direct := client(t, relay.address()), client(t, e.Endpoint())
	ctx := deadline(t)
	lease := grantLong(t, c)

	// heal brings the client back onto a connection: what it cannot send is not unknown.
	heal := func() {
		relay.heal(e.Endpoint())
		eventually(t, 30*time.Second, "a call works", func() bool { return c.Ping(ctx) == nil })
	}

	relay.loseReplies()
	_, err := c.CreateOwner(ctx, 5, lease, me)
	wantErr(t, "create", err, ownership.ErrUnknownOutcome)
	created, ok, err := direct.Owner(ctx, 5)
	if err != nil || !ok || created.Process != me || created.Lease != lease {
		t.Fatalf("the key does not stand: %+v, %v, %v", created, ok, err)
	}
	heal()
	if revision, err := c.CreateOwner(ctx, 5, lease, me); err != nil || revision != created.Revision {
		t.Errorf("made again: %d, %v; want %d", revision, err, created.Revision)
	}

	relay.loseReplies()
	wantErr(t, "delete", c.DeleteOwner(ctx, 5, created.Revision), ownership.ErrUnknownOutcome)
	if _, ok, err := direct.Owner(ctx, 5); ok || err != nil {
		t.Fatalf("the key was not deleted: %v, %v", ok, err)
	}
	// Meanwhile somebody else has created it: the delete made again must leave that one alone.
	other, err := direct.CreateOwner(ctx, 5, grantLong(t, direct), ownership.Process{Node: "n2", Incarnation: "i2"})
	if err != nil {
		t.Fatal(err)
	}
	heal()
	if err := c.DeleteOwner(ctx, 5, created.Revision); err != nil {
		t.Errorf("deleted again: %v", err)
	}
	if o, ok, err := direct.Owner(ctx, 5); err != nil || !ok || o.Revision != other {
		t.Errorf("the other's key: %+v, %v, %v", o, ok, err)
	}

	relay.loseReplies()
	wantErr(t, "put member", c.PutMember(ctx, Member{Name: "n1", Incarnation: "i1", Lease: lease}), ownership.ErrUnknownOutcome)
	heal()
	relay.loseReplies()
	wantErr(t, "create cluster", c.CreateCluster(ctx, ownership.Identity{UUID: "u", Generation: 1}), ownership.ErrUnknownOutcome)
	heal()
	if err := c.CreateCluster(ctx, ownership.Identity{UUID: "u", Generation: 1}); err != nil {
		t.Errorf("made again: %v", err)
	}
}

// A call that no connection took is certainly not carried out, though it ends as a passed
// deadline like one whose answer was lost.
func TestNoConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	c := client(t, address)
	ctx := deadline(t)
	_, err = c.CreateOwner(ctx, 5, 1, me)
	wantErr(t, "create", err, ErrUnreachable)
	if errors.Is(err, ownership.ErrUnknownOutcome) {
		t.Errorf("never sent, but unknown: %v", err)
	}
	wantErr(t, "delete", c.DeleteOwner(ctx, 5, 1), ErrUnreachable)
	wantErr(t, "ping", c.Ping(ctx), ErrUnreachable)
	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	_, err = c.Watch(short)
	wantErr(t, "watch", err, ErrUnreachable)
}
