package node

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"session-manager/node/ownership"
	"session-manager/node/rarely"
	"session-manager/node/session"
)

// authority is what decides ownership: etcd.
type authority interface {
	CreateOwner(ctx context.Context, c ownership.Cliente, lease int64, p ownership.Process) (int64, error)
	// Standing reads the key: its create revision, and whether it hangs on lease; 0 where absent.
	Standing(ctx context.Context, c ownership.Cliente, lease int64) (revision int64, mine bool, err error)
	DeleteOwner(ctx context.Context, c ownership.Cliente, revision int64) error
}

// fences is what enforces it: the store.
type fences interface {
	// Raise returns when the fence stands at the token and no former owner can run any more.
	// ownership.ErrFenced: the fence is not smaller than the token.
	Raise(ctx context.Context, c ownership.Cliente, t ownership.Token) error
	// Swap brings the fence of a running session from its old token to its new one.
	Swap(ctx context.Context, c ownership.Cliente, old, t ownership.Token) error
	// Stopped says that the session under the token has ended, to a successor that waits for it.
	Stopped(ctx context.Context, c ownership.Cliente, t ownership.Token) error
	// Forsake deletes what is stored of a cliente that was never paired, its fence excepted, where that
	// stands at the token.
	Forsake(ctx context.Context, c ownership.Cliente, t ownership.Token) error
}

// starter starts sessions.
type starter interface {
	Start(hold *ownership.Hold) running
}

// keeper keeps the clientes of this node: those that it owns, is about to own, or is giving
// up. It steps each one's ownership.Machine, carries out the effects, and feeds the outcomes
// back. Everything that this node does to an ownership key goes through here.
//
// Invariants:
//   - an entry exists as long as its machine is not Free, or it waits in the queue;
//   - a session has a Hold on the lease under which its key was created;
//   - the lock is never held over I/O or a call to a session.
type keeper struct {
	timing    ownership.Timing
	process   ownership.Process
	authority authority
	fences    fences
	starter   starter
	changed   *signal // raised at each change of what is owned
	recovered *signal // raised when clientes can be taken again
	log       *slog.Logger
	news      rarely.Lines // of what is tried again and again
	metrics   *metrics

	ctx  context.Context // parent of all Holds; ends when the node has been drained
	wake chan struct{}   // capacity 1: the queue has something new
	work sync.WaitGroup  // effects under way

	mu         sync.Mutex // guards what follows
	entries    map[ownership.Cliente]*entry
	unpaired   unpaired
	setbacks   setbacks
	queue      *ownership.Queue
	lease      *ownership.Lease // nil: none
	generation int64            // of the cluster that the lease belongs to
	heard      time.Time        // while there is no lease: when the last one was renewed last, or since when there was none
	refuse     error            // why nothing is taken; nil: taking
	most       int              // clientes that may be kept at a time; 0: any number
	full       error            // why not more of them
	saidFull   bool             // that it is full, since it was not
}

// entry is one cliente at this node. Its fields are guarded by keeper.mu.
type entry struct {
	cliente ownership.Cliente
	machine ownership.Machine
	lease   *ownership.Lease // that the key hangs on, or hung before etcd ended it; nil: waits in the queue
	hold    *ownership.Hold  // from Running on
	session running          // from Running on
	used    time.Time        // by the last request
	refused error            // by etcd, whether it was carried out or not
	// stranger is since when the cliente is known not to be paired; zero: it is paired, or not known yet.
	stranger time.Time
	started  chan struct{} // closed when session is there
	gone     chan struct{} // closed when the machine is Free again
	cause    error         // why it is gone; written before gone is closed
}

func newKeeper(ctx context.Context, timing ownership.Timing, process ownership.Process, rate int,
	a authority, f fences, s starter, changed *signal, m *metrics, log *slog.Logger) *keeper {
	return &keeper{
		timing: timing, process: process, authority: a, fences: f, starter: s,
		changed: changed, recovered: newSignal(), metrics: m, log: log,
		ctx: ctx, wake: make(chan struct{}, 1),
		entries:  make(map[ownership.Cliente]*entry),
		queue:    ownership.NewQueue(rate, time.Now()),
		refuse:   errNoLease,
		heard:    time.Now(),
		unpaired: unpaired{unasked: unaskedFor, strangers: make(map[ownership.Cliente]*entry)},
	}
}

var (
	errNoLease  = errors.New("this node holds no lease yet")
	errOrdered  = errors.New("an operator wants this node to have no clientes: session-manager drain --undo takes it back")
	errBarred   = errors.New("this node takes nothing")
	errFlapping = errors.New("this node lost its lease too often and takes nothing for a while")
	errSilent   = errors.New("etcd has let this node take nothing for too long")
)

// Session returns the cliente's session, which it starts where this node may own it. It
// waits as long as ctx lets it, and it is not in vain. ownership.ErrNotOwner: another node owns the cliente.
func (k *keeper) Session(ctx context.Context, c ownership.Cliente) (running, ownership.Token, error) {
	for {
		en, err := k.want(c, ownership.Requested)
		if errors.Is(err, errCrowded) {
			en, err = k.admit(ctx, c)
		}
		if err != nil {
			return nil, ownership.Token{}, err
		}
		if err := k.await(ctx, en.started, en.gone); err != nil {
			return nil, ownership.Token{}, err
		}
		if s, token, ok := k.session(en); ok {
			return s, token, nil
		}
		// It is gone, or being given up; who comes next is known when it is gone.
		if err := k.await(ctx, nil, en.gone); err != nil {
			return nil, ownership.Token{}, err
		}
		if !startAgain(en.cause) {
			return nil, ownership.Token{}, en.cause
		}
	}
}

// startAgain says whether a cliente that went away for this cause may be started anew by who
// waits for it.
func startAgain(cause error) bool {
	var back *setbackError
	if errors.As(cause, &back) {
		return false // it would fail likewise
	}
	return errors.Is(cause, ownership.ErrReleased) || errors.Is(cause, ownership.ErrUnknownOutcome) ||
		errors.Is(cause, session.ErrPairingExpired) || errors.Is(cause, errUnasked)
}

// session returns en's session while it may serve.
func (k *keeper) session(en *entry) (running, ownership.Token, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if en.machine.Phase() != ownership.Running || en.session == nil {
		return nil, ownership.Token{}, false
	}
	en.used = time.Now()
	return en.session, en.hold.Token(), true
}

// Restore queues a cliente that ran before and should run again; a no-op where it is kept.
func (k *keeper) Restore(c ownership.Cliente) { _, _ = k.want(c, ownership.Restored) }

// want returns the cliente's entry, which it queues where there was none.
func (k *keeper) want(c ownership.Cliente, p ownership.Priority) (*entry, error) {
	return k.wantOf(c, p, false)
}

// wantOf is want; paired says that the cliente is known to be.
func (k *keeper) wantOf(c ownership.Cliente, p ownership.Priority, paired bool) (*entry, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	en, ok := k.entries[c]
	if !ok {
		if k.refuse != nil {
			return nil, k.refuse
		}
		if k.most > 0 && len(k.entries) >= k.most {
			k.sayFull()
			return nil, k.full
		}
		if err := k.setbacks.hold(c, time.Now()); err != nil {
			return nil, err
		}
		en = &entry{cliente: c, started: make(chan struct{}), gone: make(chan struct{}), used: time.Now()}
		switch {
		case p == ownership.Restored:
			en.used = time.Time{}
		case !paired && k.crowded():
			return nil, errCrowded
		case !paired:
			k.unpaired.strangers[c] = en
		}
		k.entries[c] = en
	}
	if en.lease == nil {
		k.queue.Push(c, p, rand.Uint64())
		k.wakeUp()
	}
	return en, nil
}

// Limit bounds the clientes that are kept; full says why to who asks for more.
func (k *keeper) Limit(most int, full error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.most, k.full = most, full
}

// sayFull says it once, until there is room again. Holds mu.
func (k *keeper) sayFull() {
	if !k.saidFull {
		k.saidFull = true
		k.log.Warn("no more clientes are taken", "err", k.full)
	}
}

// wakeUp makes Run look at the queue.
func (k *keeper) wakeUp() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Run starts what is queued, at the queue's pace, until ctx ends.
func (k *keeper) Run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		wait := k.startNext()
		switch {
		case wait < 0:
			continue
		case wait == 0:
			wait = time.Hour
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-k.wake:
		case <-timer.C:
		}
	}
}

// startNext acquires the next of the queue. It returns how long to wait for another one, 0:
// nobody waits, negative: not at all.
func (k *keeper) startNext() time.Duration {
	k.mu.Lock()
	if k.lease == nil || k.lease.Lapsed() {
		k.mu.Unlock()
		return 0
	}
	c, ok, wait := k.queue.Pop(time.Now())
	if !ok {
		k.mu.Unlock()
		return wait
	}
	en := k.entries[c]
	en.lease = k.lease
	do := k.step(en, ownership.Acquire{Generation: k.generation})
	k.mu.Unlock()
	k.carryOut(en, do)
	return -1
}

// step books an event. Holds mu; the effects are carried out after it is released.
func (k *keeper) step(en *entry, e ownership.Event) []ownership.Effect {
	before := en.machine.Phase()
	effects := en.machine.Step(e)
	if after := en.machine.Phase(); after != before {
		k.log.Debug("ownership", "cliente", en.cliente, "state", after.String(), "token", en.machine.Token().String())
	}
	return effects
}

// answer books the outcome of an effect, and goes on.
func (k *keeper) answer(en *entry, e ownership.Event) {
	k.mu.Lock()
	do := k.step(en, e)
	k.mu.Unlock()
	k.carryOut(en, do)
}

// forget drops an entry. Holds mu.
func (k *keeper) forget(en *entry, cause error) {
	if cause == nil {
		cause = ownership.ErrReleased
	}
	en.cause = cause
	delete(k.entries, en.cliente)
	k.saidFull = false
	delete(k.unpaired.strangers, en.cliente)
	close(en.gone)
	k.changed.Raise()
}

// Wait returns when no effect is under way any more.
func (k *keeper) Wait() { k.work.Wait() }
