package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"session-manager/node/etcd"
	"session-manager/node/ownership"
)

// carryOut begins what the machine asked for. Each effect's outcome comes back through answer.
func (k *keeper) carryOut(en *entry, effects []ownership.Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case ownership.StartSession:
			k.start(en, e.Token)
		case ownership.StopSession:
			k.stop(en, e.Cause)
		case ownership.Forget:
			k.ended(en, e.Cause)
		default:
			k.work.Go(func() { k.answer(en, k.call(en, e)) })
		}
	}
}

// call makes one call to etcd or the store and says how it ended.
func (k *keeper) call(en *entry, e ownership.Effect) ownership.Event {
	switch e := e.(type) {
	case ownership.CreateKey:
		return k.create(en)
	case ownership.ReadKey:
		k.pause(e.Again)
		return k.read(en)
	case ownership.RaiseFence:
		// The lease's deadline bounds the raise better than any time-out: what it leaves
		// behind when it is late is a fence that the next owner raises again.
		ctx, cancel := context.WithTimeout(k.ctx, k.timing.TTL+k.timing.AccusedHoldBack())
		defer cancel()
		if err := k.fences.Raise(ctx, en.cliente, e.Token); err != nil {
			cause := k.setBack(en, fmt.Errorf("acquire %s: %w", en.cliente, err))
			k.tell(cause, "fence was not raised, the cliente is given back", "cliente", en.cliente, "token", e.Token.String(), "err", err)
			return ownership.RaiseFailed{Cause: cause}
		}
		k.taken(en.cliente)
		return ownership.Raised{}
	case ownership.DeleteKey:
		k.pause(e.Again)
		ctx, cancel := context.WithTimeout(k.ctx, k.timing.RenewTimeout)
		defer cancel()
		if err := k.authority.DeleteOwner(ctx, en.cliente, e.Revision); err != nil {
			if !e.Again {
				k.log.Warn("ownership key is not deleted yet, trying on", "cliente", en.cliente, "err", err)
			}
			return ownership.DeleteUnknown{}
		}
		return ownership.Deleted{}
	}
	panic(fmt.Sprintf("node: effect %T has no call", e))
}

func (k *keeper) create(en *entry) ownership.Event {
	ctx, cancel := context.WithTimeout(k.ctx, k.timing.RenewTimeout)
	defer cancel()
	revision, err := k.authority.CreateOwner(ctx, en.cliente, en.lease.ID(), k.process)
	switch {
	case err == nil:
		return ownership.Created{Revision: revision}
	case errors.Is(err, etcd.ErrTaken):
		return ownership.Taken{}
	case errors.Is(err, ownership.ErrUnknownOutcome):
		k.mu.Lock()
		en.refused = err
		k.mu.Unlock()
		return ownership.CreateUnknown{}
	}
	cause := k.setBack(en, fmt.Errorf("acquire %s: %w", en.cliente, err))
	k.tell(cause, "ownership key was not created", "cliente", en.cliente, "err", err)
	return ownership.CreateFailed{Cause: cause}
}

func (k *keeper) read(en *entry) ownership.Event {
	ctx, cancel := context.WithTimeout(k.ctx, k.timing.RenewTimeout)
	defer cancel()
	revision, mine, err := k.authority.Standing(ctx, en.cliente, en.lease.ID())
	switch {
	case err != nil:
		return ownership.CreateUnknown{}
	case revision == 0:
		return k.absent(en)
	case mine:
		return ownership.Created{Revision: revision}
	}
	return ownership.Taken{}
}

// absent is what a key that was read back and does not stand means. Where etcd has said that it does not
// create it, trying again at once is in vain; who waits is told so.
func (k *keeper) absent(en *entry) ownership.Event {
	k.mu.Lock()
	refused := en.refused
	k.mu.Unlock()
	if hindrance(refused) == "" {
		return ownership.Absent{}
	}
	return ownership.CreateFailed{Cause: k.setBack(en, fmt.Errorf("acquire %s: %w", en.cliente, refused))}
}

// tell logs what went wrong, unless setBack has told of it, or has not for the last time.
func (k *keeper) tell(cause error, message string, attributes ...any) {
	var told *setbackError
	if !errors.As(cause, &told) {
		k.log.Warn(message, attributes...)
	}
}

// pause waits before a call is made again, also where the node has ended and each call fails at
// once: until the lease is known to be lost, it would be made again without end.
func (k *keeper) pause(again bool) {
	if again {
		time.Sleep(k.timing.Retry)
	}
}

// start starts the session of an acquired cliente. It may be stopped by the time it is there:
// a StopSession that found none is made good here.
func (k *keeper) start(en *entry, token ownership.Token) {
	hold := ownership.NewHold(k.ctx, en.cliente, token, en.lease)
	s := k.starter.Start(hold)
	k.mu.Lock()
	en.hold, en.session = hold, s
	leaving := en.machine.Phase() != ownership.Running
	close(en.started)
	k.mu.Unlock()
	k.log.Info("cliente acquired", "cliente", en.cliente, "node", k.process.Node, "token", token.String())
	k.metrics.acquired.Inc()
	k.changed.Raise()
	if leaving {
		hold.End(ownership.ErrReleased)
		s.Stop(ownership.ErrReleased)
	}
	k.work.Add(1)
	s.AfterDone(func() {
		defer k.work.Done()
		k.yielded(hold)
		hold.End(ownership.ErrReleased)
		k.answer(en, ownership.SessionEnded{Cause: s.Err()})
		k.forsake(en, hold, s.Err()) // nobody waits for this
	})
}

// yielded tells the store of a session that ended because the cliente is another's: that one may
// be waiting for just this. Where the store does not hear it, it waits for HoldBack.
func (k *keeper) yielded(hold *ownership.Hold) {
	cause := context.Cause(hold.Context())
	if !errors.Is(cause, ownership.ErrFenced) && !errors.Is(cause, ownership.ErrNotOwner) {
		return
	}
	ctx, cancel := context.WithTimeout(k.ctx, k.timing.RenewTimeout)
	defer cancel()
	if err := k.fences.Stopped(ctx, hold.Cliente(), hold.Token()); err != nil {
		k.log.Warn("the store was not told that a session has ended", "cliente", hold.Cliente(), "err", err)
	}
}

func (k *keeper) stop(en *entry, cause error) {
	k.mu.Lock()
	s := en.session
	k.mu.Unlock()
	k.changed.Raise()
	if s != nil {
		s.Stop(cause)
	}
}

func (k *keeper) ended(en *entry, cause error) {
	k.mu.Lock()
	held := en.session != nil
	k.forget(en, cause)
	k.mu.Unlock()
	if held {
		k.log.Info("cliente given up", "cliente", en.cliente, "node", k.process.Node, "cause", cause)
		k.metrics.released.WithLabelValues(causeLabel(cause)).Inc()
	}
}
