package faults

import (
	"context"
	"math"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// leaseWatch sees, at etcd itself, when a node's key goes with its lease.
type leaseWatch struct {
	client *clientv3.Client
	done   sync.WaitGroup

	mu sync.Mutex // guards at
	at time.Time
}

func watchLease(endpoint, node string) (*leaseWatch, error) {
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, Logger: zap.NewNop()})
	if err != nil {
		return nil, err
	}
	w := &leaseWatch{client: client}
	changes := client.Watch(context.Background(), "/session-manager/nodes/"+node)
	w.done.Go(func() {
		for change := range changes { // until the client is closed
			for _, e := range change.Events {
				if e.Type == clientv3.EventTypeDelete {
					w.mu.Lock()
					if w.at.IsZero() {
						w.at = time.Now()
					}
					w.mu.Unlock()
				}
			}
		}
	})
	return w, nil
}

// ended is when it went first; zero: it has not.
func (w *leaseWatch) ended() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

func (w *leaseWatch) close() {
	_ = w.client.Close() // we only watched
	w.done.Wait()
}

// msSince is from one moment to another; NaN where one has not come.
func msSince(at, from time.Time) float64 {
	if at.IsZero() || from.IsZero() {
		return math.NaN()
	}
	return ms(at.Sub(from))
}
