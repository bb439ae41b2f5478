package etcd

import (
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// advice is what to do about what etcd says in its own words. No waiting cures these: a caller is told.
var advice = []struct {
	err  error
	text string
}{
	{rpctypes.ErrNoSpace, "etcd's quota is used up: compact it (etcdctl compact), defragment each member (etcdctl defrag) or raise --quota-backend-bytes, then etcdctl alarm disarm"},
	{rpctypes.ErrPermissionDenied, "etcd's user may not do this: grant its role readwrite under --etcd-prefix (etcdctl role grant-permission --prefix=true)"},
	{rpctypes.ErrAuthFailed, "etcd refuses the login: check --etcd-user and --etcd-password-file, which is read again at the next try"},
	{rpctypes.ErrUserEmpty, "etcd wants a login: give --etcd-user and --etcd-password-file, or a client certificate"},
	{rpctypes.ErrUserNotFound, "etcd does not know the user: check --etcd-user"},
	{rpctypes.ErrInvalidAuthToken, "etcd refuses the login's token: check that all members have the same --auth-token"},
	{rpctypes.ErrAuthOldRevision, "etcd's users have just been changed: it goes on by itself"},
	{rpctypes.ErrTooManyRequests, "etcd has too much to do: see its members' load and disks"},
	{rpctypes.ErrNoLeader, "etcd has no leader: see that a majority of its members runs and reach one another"},
	{rpctypes.ErrCorrupt, "etcd's members disagree about their data: replace the one that etcdctl alarm list names"},
}

// Refusal says that etcd answered, and did not do what it was asked. Whether it certainly did not is another
// question: see call.outcome.
type Refusal struct {
	err, words error
	Advice     string // what to do
}

func (r *Refusal) Error() string { return fmt.Sprintf("%s (%v)", r.Advice, r.words) }

// Unwrap returns etcd's own error, and ErrUnreachable where the request was not sent.
func (r *Refusal) Unwrap() error { return r.err }

// advised makes a Refusal of what etcd says in its own words, where there is something to be done about it.
func advised(err error) error {
	words, ok := wordsOf(err)
	if !ok {
		return err
	}
	for _, a := range advice {
		if errors.Is(words, a.err) {
			return &Refusal{err, err, a.text}
		}
	}
	return err
}

// wordsOf are etcd's own, whether the client has translated them or not.
func wordsOf(err error) (words rpctypes.EtcdError, ok bool) {
	return words, errors.As(err, &words) || errors.As(rpctypes.Error(err), &words)
}
