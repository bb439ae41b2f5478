package node

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"session-manager/node/etcd"
	"session-manager/node/ownership"
	"session-manager/router/api"
)

// fakeEtcd decides ownership in memory, and can lose replies.
type fakeEtcd struct {
	mu        sync.Mutex
	revision  int64
	keys      map[ownership.Cliente]fakeKey
	loseReply int // of so many calls that change something
	refuse    error
	creates   int64         // calls of CreateOwner
	cut       bool          // no call gets through
	stuck     chan struct{} // gets one for each call that does not get through, where there is room
}

type fakeKey struct{ lease, revision int64 }

func (f *fakeEtcd) reply() error {
	if f.loseReply > 0 {
		f.loseReply--
		return ownership.ErrUnknownOutcome
	}
	return nil
}

// wait waits for ctx where etcd is cut off.
func (f *fakeEtcd) wait(ctx context.Context) error {
	f.mu.Lock()
	cut := f.cut
	f.mu.Unlock()
	if !cut {
		return nil
	}
	select {
	case f.stuck <- struct{}{}:
	default:
	}
	<-ctx.Done()
	return ownership.ErrUnknownOutcome
}

func (f *fakeEtcd) setCut(cut bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cut = cut
}

func (f *fakeEtcd) CreateOwner(ctx context.Context, c ownership.Cliente, lease int64, _ ownership.Process) (int64, error) {
	if err := f.wait(ctx); err != nil {
		return 0, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.creates++
	if f.refuse != nil {
		return 0, f.refuse
	}
	if k, ok := f.keys[c]; ok {
		if k.lease == lease {
			return k.revision, f.reply()
		}
		return 0, etcd.ErrTaken
	}
	f.revision++
	f.keys[c] = fakeKey{lease, f.revision}
	return f.revision, f.reply()
}

func (f *fakeEtcd) Standing(ctx context.Context, c ownership.Cliente, lease int64) (int64, bool, error) {
	if err := f.wait(ctx); err != nil {
		return 0, false, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	k := f.keys[c]
	return k.revision, k.lease == lease, nil
}

func (f *fakeEtcd) DeleteOwner(ctx context.Context, c ownership.Cliente, revision int64) error {
	if err := f.wait(ctx); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.keys[c].revision == revision {
		delete(f.keys, c)
	}
	return f.reply()
}

func (f *fakeEtcd) refusing(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuse = err
}

func (f *fakeEtcd) stands(c ownership.Cliente) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.keys[c]
	return ok
}

// fakeFences enforces in memory.
type fakeFences struct {
	err      error // of Raise
	mu       sync.Mutex
	swapErr  error                                 // of Swap; guarded by mu, as what follows
	tokens   map[ownership.Cliente]ownership.Token // as last swapped
	stopped  map[ownership.Cliente]ownership.Token
	forsaken []ownership.Cliente
}

func (f *fakeFences) Raise(context.Context, ownership.Cliente, ownership.Token) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func (f *fakeFences) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *fakeFences) Swap(_ context.Context, c ownership.Cliente, _, t ownership.Token) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.swapErr != nil {
		return f.swapErr
	}
	if f.tokens == nil {
		f.tokens = make(map[ownership.Cliente]ownership.Token)
	}
	f.tokens[c] = t
	return nil
}

func (f *fakeFences) Forsake(_ context.Context, c ownership.Cliente, _ ownership.Token) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forsaken = append(f.forsaken, c)
	return nil
}

func (f *fakeFences) Stopped(_ context.Context, c ownership.Cliente, t ownership.Token) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stopped == nil {
		f.stopped = make(map[ownership.Cliente]ownership.Token)
	}
	f.stopped[c] = t
	return nil
}

// fakeSessions starts sessions that end when they are stopped, or never.
type fakeSessions struct {
	mu      sync.Mutex
	started []*fakeSession
	stuck   bool
}

func (f *fakeSessions) Start(hold *ownership.Hold) running {
	s := &fakeSession{hold: hold, done: make(chan struct{}), stuck: f.stuck}
	f.mu.Lock()
	f.started = append(f.started, s)
	f.mu.Unlock()
	return s
}

func (f *fakeSessions) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.started)
}

type fakeSession struct {
	api.Session
	hold   *ownership.Hold
	stuck  bool
	state  atomic.Value // api.State
	paired atomic.Bool

	once sync.Once
	done chan struct{}
	err  error
}

func (s *fakeSession) end(err error) { s.once.Do(func() { s.err = err; close(s.done) }) }
func (s *fakeSession) Snapshot() api.Snapshot {
	state, _ := s.state.Load().(api.State)
	return api.Snapshot{State: state}
}
func (s *fakeSession) Wake()        {}
func (s *fakeSession) Paired() bool { return s.paired.Load() }
func (s *fakeSession) Stop(cause error) {
	if !s.stuck {
		s.end(cause)
	}
}
func (s *fakeSession) AfterDone(f func()) { go func() { <-s.done; f() }() }
func (s *fakeSession) Err() error         { return s.err }

type keeperTest struct {
	*keeper
	etcd     *fakeEtcd
	fences   *fakeFences
	sessions *fakeSessions
	lease    *ownership.Lease
	ctx      context.Context
	end      context.CancelFunc // of the process
}

func newKeeperTest(t *testing.T) *keeperTest {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	k := &keeperTest{
		etcd:   &fakeEtcd{keys: make(map[ownership.Cliente]fakeKey), revision: 100},
		fences: &fakeFences{}, sessions: &fakeSessions{}, ctx: ctx, end: cancel,
	}
	timing := ownership.DefaultTiming()
	timing.Retry = time.Millisecond
	k.keeper = newKeeper(ctx, timing, ownership.Process{Node: "n1", Incarnation: "i1"}, 0, k.etcd, k.fences, k.sessions,
		newSignal(), newMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
	var loop sync.WaitGroup
	loop.Go(func() { k.Run(ctx) })
	k.grant(7)
	t.Cleanup(func() {
		for _, s := range k.sessions.started {
			s.end(nil)
		}
		cancel()
		loop.Wait()
		k.LeaseLost(k.lease)
		k.Wait()
	})
	return k
}

func (k *keeperTest) grant(id int64) {
	k.lease = ownership.NewLease(id, time.Now(), time.Minute, time.Second)
	k.LeaseGranted(k.lease, 1)
	k.Refuse(nil)
}

func wait(t *testing.T, what string, ch <-chan struct{}) {
	t.Helper()
	select {
	case <-ch:
	case <-time.After(5 * time.Second):
		t.Fatalf("waited in vain: %s", what)
	}
}
