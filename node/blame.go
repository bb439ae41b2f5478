package node

import (
	"context"
	"sync"
	"time"

	"session-manager/node/crash"
	"session-manager/node/ownership"
	"session-manager/node/store"
)

// court is the store as package crash convicts there.
type court struct{ *store.Court }

// Convict books who is to blame for a crash.
func (c court) Convict(ctx context.Context, v crash.Conviction) (time.Duration, error) {
	return c.Court.Convict(ctx, store.Crash(v))
}

// reportCrash has a crash of this process reported to a file, where somebody is to judge it.
func (o Options) reportCrash(p ownership.Process) (file string, err error) {
	if o.Judge == nil {
		return "", nil
	}
	return crash.Output(o.Data, p)
}

// keepJudge keeps a judge of this process beside it until ctx ends.
func (o Options) keepJudge(ctx context.Context, work *sync.WaitGroup, p ownership.Process, report string) {
	if o.Judge == nil {
		return
	}
	c := crash.Case{Report: report, Process: p, Store: o.Store, StorePasswordFile: o.StorePasswordFile}
	work.Go(func() { crash.Watch(ctx, o.Judge, c, o.Log) })
}

// OpenCourt connects to the store that a case names, for the judge.
func OpenCourt(c crash.Case) (crash.Court, error) {
	s, err := store.OpenCourt(store.Config{URL: c.Store, PasswordFile: c.StorePasswordFile, Process: c.Process})
	if err != nil {
		return nil, err
	}
	return court{s}, nil
}
