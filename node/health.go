package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"session-manager/node/ownership"
	"session-manager/node/store"
)

const (
	// healthEvery is between two looks whether the store takes writes, and healthAgain where it did not.
	healthEvery = 5 * time.Second
	healthAgain = time.Second
	// healthTimeout is of one look: a primary whose synchronous standby has gone answers no write.
	healthTimeout = 3 * time.Second
	// unhealthyAfter is how many looks in a row must fail: one may fall into a failover.
	unhealthyAfter = 2
)

// What /readyz says without a key; the cause in full is on /cluster and in the log.
var (
	errNoWrites     = errors.New("the credential store takes no writes, so that no message can be sent: /cluster and the log say why; this goes on by itself")
	errStoreLogin   = errors.New("the credential store refuses this node's login: check the password (--store, --store-password-file, which is read again at each try), and that the role may log in")
	errEtcdTakesNo  = errors.New("etcd refuses this node's writes: what runs goes on, and nothing is taken over; /cluster and the log say what to do")
	errStoreTakesNo = errors.New("no cliente could be taken a moment ago, as the credential store did not do its part; /cluster and the log say why")
)

// health knows whether the store takes writes, which is what every send needs, whoever sends.
type health struct {
	store interface {
		Room(ctx context.Context) error
	}
	log   *slog.Logger
	state reason // why it does not
}

// Run looks until ctx ends.
func (h *health) Run(ctx context.Context) {
	timer := time.NewTimer(healthEvery)
	defer timer.Stop()
	failures := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		err := h.look(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			failures = 0
			if h.state.Set(nil) {
				h.log.Info("the credential store takes writes again")
			}
			timer.Reset(healthEvery)
			continue
		}
		if failures++; failures >= unhealthyAfter {
			first := h.state.Get() == nil
			if h.state.Set(err); first {
				h.log.Error("the credential store takes no writes, so that no message can be sent; this goes on by itself when it does", "err", err)
			}
		}
		timer.Reset(healthAgain)
	}
}

func (h *health) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	err := h.store.Room(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%w: a write was not answered within %v; on Postgres with synchronous_standby_names, see that the standby is there", err, healthTimeout)
	}
	return err
}

// Ready is nil where the store takes writes.
func (h *health) Ready() error {
	switch err := h.state.Get(); {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrLogin):
		return errStoreLogin
	}
	return errNoWrites
}

// watch adds the gauge.
func (h *health) watch(r prometheus.Registerer) {
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "session_manager_store_writable", Help: "1 while the credential store takes writes, as this node sees it.",
	}, func() float64 {
		if h.state.Get() == nil {
			return 1
		}
		return 0
	}))
}

// unusable says whether a barrier of the leaser's is one under which this node had better get no requests:
// etcd holds nothing of the cluster any more, and only an operator helps.
func unusable(barred error) bool {
	return errors.Is(barred, ownership.ErrWiped) || errors.Is(barred, ownership.ErrOtherStore)
}

// troubles are what keeps this node from doing all that it should, in full.
func (p *parts) troubles() []string {
	all := []string{}
	for _, t := range []struct {
		what string
		err  error
	}{
		{"credential store", p.health.state.Get()}, {"taking clientes", p.keeper.Setback()}, {"etcd", p.leaser.trouble.Get()}, {"etcd", p.leaser.Barred()},
		{"this node", p.reason.Get()},
	} {
		if t.err != nil {
			all = append(all, t.what+": "+t.err.Error())
		}
	}
	return all
}

// Note is what a probe is told of a node that is ready, "" where there is nothing to tell.
func (f *front) Note() string {
	p := f.parts.Load()
	if p == nil {
		return ""
	}
	if err := p.keeper.Setback(); err != nil {
		if hindrance(err) == "etcd" {
			return errEtcdTakesNo.Error()
		}
		return errStoreTakesNo.Error()
	}
	if err := p.leaser.trouble.Get(); err != nil && p.keeper.Riding() {
		return "etcd does not vouch for this node: its sessions ride on the credential store's word, and nothing is taken over; /cluster and the log say why"
	}
	if err := p.leaser.Barred(); err != nil {
		return err.Error()
	}
	return ""
}
