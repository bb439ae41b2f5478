package faults

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"session-manager/bench/cluster"
)

// leaderPause is between two changes of etcd's leader: an election, and a few renewals after it.
const leaderPause = 5 * time.Second

// leaderKilled kills the leader of a cluster of etcd members, again and again: renewals that were
// under way have an unknown outcome, and the rest wait for an election.
func leaderKilled(ctx context.Context, w *world, r *Result) error {
	l := w.startLoad(w.o.Rate)
	defer l.end()
	if err := sleep(ctx, warmUp); err != nil {
		return err
	}
	begun := time.Now()
	for range w.o.Rounds {
		leader, err := w.leader(ctx)
		if err != nil {
			return err
		}
		w.o.say("%s, etcd's leader, is killed", leader.Name())
		leader.Kill()
		killed := sleep(ctx, leaderPause)
		if err := leader.Start(ctx); err != nil {
			return err
		}
		if killed != nil {
			return killed
		}
		if err := sleep(ctx, leaderPause); err != nil {
			return err
		}
	}
	r.tell("leaders killed", float64(w.o.Rounds), "")
	r.atMost("extra logins", float64(len(w.watch.logins(begun, time.Now()))), "", 0)
	r.atMost("sessions lost", float64(len(w.watch.gaps(w.clientes, begun, time.Now()))), "", 0)
	return w.finish(ctx, r, l, 0, -1, 0)
}

// leader is the member that leads etcd now.
func (w *world) leader(ctx context.Context) (*cluster.Etcd, error) {
	ctx, cancel := context.WithTimeout(ctx, returnWait)
	defer cancel()
	var errs []error
	for _, e := range w.Etcd {
		client, err := clientv3.New(clientv3.Config{Endpoints: []string{"http://" + e.Endpoint()}, Context: ctx})
		if err != nil {
			return nil, err
		}
		status, err := client.Status(ctx, "http://"+e.Endpoint())
		if err := client.Close(); err != nil {
			errs = append(errs, err)
		}
		if err == nil && status.Leader == status.Header.MemberId {
			return e, nil
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("etcd has no leader: %w", errors.Join(errs...))
}
