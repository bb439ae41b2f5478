package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"session-manager/node/ownership"
	"session-manager/node/store"
)

// simStore is the credential store in synthetic time, as package store's tests show the real
// one to be: rows that change one transaction at a time, and a clock of its own.
type simStore struct {
	underWay sync.WaitGroup // late requests

	mu     sync.Mutex // guards what follows
	fences map[ownership.Cliente]*simFence
	latest map[ownership.Cliente]ownership.Token // the referee's: the highest of a fence, ever
	stale  []string                              // raises to a lower one
	notes  map[string]*simNote
}

type simFence struct {
	store.Fence
	former  store.Fence
	settled bool
	stopped ownership.Token
}

type simNote struct {
	at      time.Time
	stopped ownership.Token
}

func newSimStore() *simStore {
	return &simStore{latest: make(map[ownership.Cliente]ownership.Token), fences: make(map[ownership.Cliente]*simFence), notes: make(map[string]*simNote)}
}

// simDB is one process's connection.
type simDB struct {
	*simStore
	n *simNode
}

// call carries do out, if the request and the answer get through.
func (d simDB) call(ctx context.Context, do func() error) error {
	if !d.n.toStore.pass(ctx) {
		return ctx.Err()
	}
	d.mu.Lock()
	err := do()
	d.mu.Unlock()
	if !d.n.fromStore.pass(ctx) {
		return ctx.Err()
	}
	return err
}

var errLost = errors.New("connection lost")

// late carries do out some time after its caller was told that the connection is lost: the process was paused,
// or the network was.
func (d simDB) late(do func()) {
	pause := time.Duration(d.n.sim.random(int(20 * time.Second)))
	d.underWay.Go(func() {
		time.Sleep(pause)
		d.mu.Lock()
		defer d.mu.Unlock()
		do()
	})
}

func upTo(t, limit ownership.Token) bool { return !limit.Less(t) }

func (d simDB) Raise(ctx context.Context, c ownership.Cliente, t ownership.Token, ended []string) (former store.Fence, settled bool, err error) {
	process := d.n.process
	if of := map[bool]int{true: 3, false: 30}[c == simUnpaired]; d.n.sim.random(of) == 0 {
		d.late(func() { _, _, _ = d.raiseLocked(c, t, process, ended) }) // nobody hears
		return store.Fence{}, false, errLost
	}
	err = d.call(ctx, func() (err error) {
		former, settled, err = d.raiseLocked(c, t, process, ended)
		return err
	})
	return former, settled, err
}

func (d simDB) raiseLocked(c ownership.Cliente, t ownership.Token, process ownership.Process, ended []string) (former store.Fence, settled bool, err error) {
	f := d.fences[c]
	if f == nil {
		f = &simFence{settled: true}
		d.fences[c] = f
	}
	if former = f.former; f.settled {
		former = f.Fence
	}
	switch {
	case f.Token == t && f.Process == process:
		return former, f.settled, nil
	case !f.Token.Less(t):
		return former, false, ownership.ErrFenced
	}
	if latest := d.latest[c]; t.Less(latest) {
		d.stale = append(d.stale, fmt.Sprintf("%s: cliente %s: %s raises its fence to %s after %s", time.Now().Format("05.000"), c, process.Node, t, latest))
	} else {
		d.latest[c] = t
	}
	settled = slices.Contains(ended, former.Process.Incarnation)
	f.former, f.Fence, f.settled = former, store.Fence{Token: t, Process: process}, settled
	return former, settled, nil
}

func (d simDB) Settle(ctx context.Context, c ownership.Cliente, t ownership.Token, certain bool, fresh time.Duration) (ok bool, err error) {
	if d.n.sim.mutant == "no hold-back" {
		certain = true
	}
	return ok, d.call(ctx, func() error {
		f := d.fences[c]
		if f.Token != t {
			return ownership.ErrFenced
		}
		note := d.notes[f.former.Process.Incarnation]
		ok = certain || upTo(f.former.Token, f.stopped) || note == nil || time.Since(note.at) >= fresh || upTo(f.former.Token, note.stopped)
		f.settled = f.settled || ok
		return nil
	})
}

func (d simDB) HasStopped(ctx context.Context, c ownership.Cliente) (stopped bool, err error) {
	return stopped, d.call(ctx, func() error {
		f := d.fences[c]
		note := d.notes[f.former.Process.Incarnation]
		stopped = upTo(f.former.Token, f.stopped) || note != nil && upTo(f.former.Token, note.stopped)
		return nil
	})
}

func (d simDB) Swap(ctx context.Context, c ownership.Cliente, old, t ownership.Token) error {
	return d.call(ctx, func() error {
		f := d.fences[c]
		switch {
		case f.Token == old && f.Process == d.n.process:
			f.Token = t
			d.latest[c] = t
		case f.Token != t || f.Process != d.n.process:
			return ownership.ErrFenced
		}
		return nil
	})
}

func (d simDB) Stopped(ctx context.Context, c ownership.Cliente, t ownership.Token) error {
	return d.call(ctx, func() error {
		if f := d.fences[c]; f.stopped.Less(t) {
			f.stopped = t
		}
		return nil
	})
}

// Forsake deletes rows that the simulation does not have.
func (d simDB) Forsake(ctx context.Context, c ownership.Cliente, t ownership.Token) error {
	return d.call(ctx, func() error {
		if f := d.fences[c]; f.Token == t && d.n.sim.mutant == "fence goes with the rows" {
			d.fences[c] = &simFence{settled: true}
		}
		return nil
	})
}

func (d simDB) Poll(ctx context.Context) (store.Standing, error) {
	note := func() error {
		if d.notes[d.n.process.Incarnation] == nil {
			d.notes[d.n.process.Incarnation] = &simNote{}
		}
		d.notes[d.n.process.Incarnation].at = time.Now()
		return nil
	}
	st := store.Standing{Generation: 1, Clientes: make(map[ownership.Cliente]bool)}
	look := func() error {
		for c, f := range d.fences {
			if f.Process == d.n.process {
				st.Clientes[c] = true
			}
		}
		return nil
	}
	steps := []func() error{note, look}
	if d.n.sim.mutant == "no note" {
		steps = []func() error{look}
	}
	for _, step := range steps {
		if err := d.call(ctx, step); err != nil {
			return store.Standing{}, err
		}
	}
	return st, nil
}

func (d simDB) EndNote(ctx context.Context) error {
	return d.call(ctx, func() error {
		if note := d.notes[d.n.process.Incarnation]; note != nil {
			note.at = time.Time{}
		}
		return nil
	})
}

func (d simDB) AllStopped(ctx context.Context, t ownership.Token) error {
	return d.call(ctx, func() error { d.notes[d.n.process.Incarnation] = &simNote{stopped: t}; return nil })
}

func (d simDB) Riders(ctx context.Context, fresh time.Duration) (map[string]bool, error) {
	riders := make(map[string]bool)
	return riders, d.call(ctx, func() error {
		for incarnation, n := range d.notes {
			riders[incarnation] = time.Since(n.at) < fresh
		}
		return nil
	})
}

func (d simDB) Wanted(ctx context.Context, of ...ownership.Cliente) ([]ownership.Cliente, error) {
	if len(of) == 0 {
		for c := range simClientes {
			of = append(of, c+1)
		}
	}
	return of, d.call(ctx, func() error { return nil })
}
