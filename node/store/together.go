package store

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"session-manager/node/ownership"
)

// together carries out small writes of many accounts in one transaction, for a database that commits
// one at a time and has the disk confirm each: while one commits, the next gather.
type together struct {
	store *Store
	jobs  chan *job
	quit  chan struct{}
	done  chan struct{}
}

// job is the write of one account.
type job struct {
	ctx    context.Context                 // of who waits: where it has ended, nothing is begun
	run    func(ctx context.Context) error // in a transaction; ErrFenced and errKeyStands: it has written nothing
	ended  func()                          // no write of this account is under way
	result chan error                      // capacity 1
}

// maxTogether bounds a transaction: what others wait for its commit.
const maxTogether = 64

func openTogether(s *Store) *together {
	t := &together{store: s, jobs: make(chan *job), quit: make(chan struct{}), done: make(chan struct{})}
	go t.loop()
	return t
}

func (t *together) close() {
	close(t.quit)
	<-t.done
}

func (t *together) loop() {
	defer close(t.done)
	for {
		select {
		case <-t.quit:
			return
		case first := <-t.jobs:
			jobs := []*job{first}
			for gathered := false; !gathered && len(jobs) < maxTogether; {
				select {
				case next := <-t.jobs:
					jobs = append(jobs, next)
				default:
					gathered = true
				}
			}
			t.commit(jobs)
		}
	}
}

// commit carries out jobs, all or none; where one of several fails, each by itself.
func (t *together) commit(jobs []*job) {
	results := make([]error, len(jobs))
	err := t.store.db.DoTxn(context.Background(), nil, func(ctx context.Context) error {
		for i, j := range jobs {
			if results[i] = j.begin(ctx); !nothingWritten(results[i]) {
				return results[i]
			}
		}
		return nil
	})
	if err != nil && len(jobs) > 1 {
		for _, j := range jobs {
			t.commit([]*job{j})
		}
		return
	}
	for i, j := range jobs {
		if results[i] == nil {
			results[i] = err
		}
		j.ended()
		j.result <- results[i]
	}
}

// begin carries the job out. Its panic becomes an error here, and a panic again where the job came from:
// the goroutine there knows whose it is.
func (j *job) begin(ctx context.Context) (err error) {
	if j.ctx.Err() != nil {
		return context.Cause(j.ctx)
	}
	defer func() {
		if r := recover(); r != nil {
			err = &panicked{value: r, stack: debug.Stack()}
		}
	}()
	return j.run(ctx)
}

// panicked is the panic of a job.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v\n\n%s", p.value, p.stack) }

// nothingWritten says whether a job's end leaves the transaction as it was, or as it should be.
func nothingWritten(err error) bool {
	return err == nil || errors.Is(err, ownership.ErrFenced) || errors.Is(err, errKeyStands)
}

// withOthers runs fn in a transaction that others share. Its error is still as the database gave it.
func (g *guard) withOthers(ctx context.Context, fn func(ctx context.Context) error) error {
	if err := g.check(); err != nil {
		return err
	}
	g.begin()
	_, release := g.hold.Steady()
	return g.store.together.carryOut(ctx, &job{
		run:   func(ctx context.Context) error { return fn(context.WithValue(ctx, inTxn{g}, new(attempt))) },
		ended: func() { release(); g.done() },
	})
}

// carryOut has a job carried out. Where ctx ends first, it may be yet.
func (t *together) carryOut(ctx context.Context, j *job) error {
	j.ctx, j.result = ctx, make(chan error, 1)
	ctx, cancel := context.WithTimeout(ctx, t.store.answer)
	defer cancel()
	select {
	case t.jobs <- j:
	case <-ctx.Done():
		j.ended()
		return context.Cause(ctx)
	}
	select {
	case err := <-j.result:
		var p *panicked
		if errors.As(err, &p) {
			panic(p.Error())
		}
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
