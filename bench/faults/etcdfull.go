package faults

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"session-manager/bench/cluster"
	"session-manager/node/ownership"
)

const (
	etcdQuota    = 16 << 20 // bytes; etcd's own default is 2 GB
	ballastKeys  = "/ballast/"
	ballastValue = 1 << 20
	// knownAfter is when survivors must know that a node is dead, and that its clientes cannot be taken over.
	knownAfter = 15 * time.Second
	atOnce     = time.Second
)

// etcdFull uses up etcd's space, so that it refuses to write, and then kills a node: its clientes cannot
// be taken over. The others go on, requests for these are answered at once, and every node says why.
func etcdFull(ctx context.Context, w *world, r *Result) error {
	l := w.startLoad(w.o.Rate)
	defer l.end()
	if err := sleep(ctx, warmUp); err != nil {
		return err
	}
	var endpoints []string
	for _, e := range w.Etcd {
		endpoints = append(endpoints, e.Endpoint())
	}
	client, err := clientv3.New(clientv3.Config{Endpoints: endpoints, Logger: zap.NewNop()})
	if err != nil {
		return err
	}
	defer client.Close()
	if err := useUp(ctx, client); err != nil {
		return err
	}
	victim, its, err := w.busiest(ctx)
	if err != nil {
		return err
	}
	killed := time.Now()
	victim.Kill()
	w.o.say("etcd's space is used up, and %s with %d clientes is dead", victim.Name(), len(its))
	if err := sleep(ctx, knownAfter); err != nil {
		return err
	}
	waits, kinds, err := w.askAll(ctx, its, victim)
	if err != nil {
		return err
	}
	r.spread("answer for a cliente without an owner", waits, 0, 0, atOnce)
	for _, kind := range sortedKeys(kinds) {
		r.Notes = append(r.Notes, fmt.Sprintf("without an owner: %d × %s", kinds[kind], kind))
	}
	if err := w.whoSaysWhy(ctx, r, victim); err != nil {
		return err
	}
	if err := sleep(ctx, w.o.For); err != nil {
		return err
	}
	others := without(w.clientes, its)
	r.atMost("gaps of other nodes' clientes", float64(len(w.watch.gaps(others, killed, time.Now()))), "", 0)
	if err := freeAgain(ctx, client, endpoints); err != nil {
		return err
	}
	freed := time.Now()
	waiting, cancel := context.WithTimeoutCause(ctx, returnWait, fmt.Errorf("waited %v", returnWait))
	defer cancel()
	var back []time.Duration
	for _, c := range its {
		at, err := w.watch.loginAfter(waiting, c, killed)
		if err != nil {
			return fmt.Errorf("cliente %s has not logged in though etcd has space again: %w", c, err)
		}
		back = append(back, max(0, at.Sub(freed)))
	}
	r.spread("login elsewhere once there is space", back, 0, 0, 30*time.Second)
	if err := victim.Start(ctx); err != nil {
		return err
	}
	if err := w.back(ctx, victim, r); err != nil {
		return err
	}
	return w.finish(ctx, r, l, -1, -1, 0)
}

// useUp writes until etcd refuses to.
func useUp(ctx context.Context, client *clientv3.Client) error {
	value := strings.Repeat("x", ballastValue)
	for n := 0; ; n++ {
		_, err := client.Put(ctx, fmt.Sprint(ballastKeys, n), value)
		if errors.Is(err, rpctypes.ErrNoSpace) {
			break
		}
		if err != nil {
			return err
		}
	}
	for n := 0; ; n++ { // what is left for small keys
		_, err := client.Put(ctx, fmt.Sprint(ballastKeys, "small/", n), "x")
		if errors.Is(err, rpctypes.ErrNoSpace) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// freeAgain does what an operator does then.
func freeAgain(ctx context.Context, client *clientv3.Client, endpoints []string) error {
	gone, err := client.Delete(ctx, ballastKeys, clientv3.WithPrefix())
	if err != nil {
		return err
	}
	if _, err := client.Compact(ctx, gone.Header.Revision); err != nil {
		return err
	}
	for _, e := range endpoints {
		if _, err := client.Defragment(ctx, e); err != nil {
			return err
		}
	}
	_, err = client.AlarmDisarm(ctx, &clientv3.AlarmMember{}) // all
	return err
}

// askAll asks the survivors for each of some clientes, all at once: its state, and for a send.
func (w *world) askAll(ctx context.Context, of []ownership.Cliente, dead *cluster.Node) (waits []time.Duration, kinds map[string]int, err error) {
	kinds = make(map[string]int)
	survivors := w.Cluster.Client(dead)
	var mu sync.Mutex // guards both
	var g errgroup.Group
	g.SetLimit(32)
	for n, c := range of {
		ask := func() error { _, err := survivors.Status(ctx, c); return err }
		if n%2 == 1 {
			ask = func() error {
				_, err := survivors.Send(ctx, c, cluster.Message{To: friendOf(c), Text: "in vain"})
				return err
			}
		}
		g.Go(func() error {
			begun := time.Now()
			err := ask()
			mu.Lock()
			defer mu.Unlock()
			waits = append(waits, time.Since(begun))
			if err == nil {
				kinds["answered"]++
			} else {
				kinds[kindOf(err)]++
			}
			return ctx.Err()
		})
	}
	return waits, kinds, g.Wait()
}

// whoSaysWhy looks for the reason at the survivors: in /readyz, and in their logs. A node learns of it when
// etcd refuses it something: the first that tries to take a cliente over, at the latest.
func (w *world) whoSaysWhy(ctx context.Context, r *Result, dead *cluster.Node) error {
	told, logged := 0, 0
	for _, n := range w.Nodes() {
		if n == dead {
			continue
		}
		status, body, err := get(ctx, n.URL()+"/readyz", firstCliente)
		if err != nil {
			return err
		}
		r.Notes = append(r.Notes, fmt.Sprintf("%s: /readyz %d %s", n.Name(), status, body))
		if strings.Contains(string(body), "etcd") {
			told++
		}
		if log := n.Log(); strings.Contains(log, "space") || strings.Contains(log, "quota") {
			logged++
		}
	}
	r.tell("nodes whose /readyz says why", float64(told), "")
	r.tell("nodes whose log says why", float64(logged), "")
	r.atMost("it is said nowhere", float64(2-min(told, 1)-min(logged, 1)), "", 0)
	return nil
}
