package node

import (
	"context"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"session-manager/node/etcd"
	"session-manager/node/ownership"
	"session-manager/ring"
	"session-manager/router/api"
)

// moverTest is n1 with a mover, which has clientes 1 to 20 on a ring of its own; n2 takes what is
// given up, where the test wants it to.
type moverTest struct {
	*leaserTest
	*mover
	takes bool // n2 does; set before time goes on
	back  bool // what n1 gave up is its own again

	mu      sync.Mutex // guards what follows
	targets map[ownership.Cliente]string
	drained bool
	changed *signal
}

func (m *moverTest) Changed() <-chan struct{} { return m.changed.Wait() }
func (m *moverTest) Synced() bool             { return true }

func (m *moverTest) Drained(string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.drained
}

func (m *moverTest) Targets() map[ownership.Cliente]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.targets)
}

func (m *moverTest) Target(c ownership.Cliente) (string, bool) {
	to, ok := m.Targets()[c]
	return to, ok
}

func (m *moverTest) order(change func()) {
	m.mu.Lock()
	change()
	m.mu.Unlock()
	m.changed.Raise()
}

// Owner is etcd's view: n2 has whatever n1 has not, if it takes.
func (m *moverTest) Owner(c ownership.Cliente) (etcd.Owner, bool) {
	if token, mine := m.leaserTest.keeper.Owned(c); mine {
		return etcd.Owner{Process: ownership.Process{Node: "n1"}, Revision: token.Revision}, true
	}
	if m.back {
		return etcd.Owner{Process: ownership.Process{Node: "n1"}, Revision: 1 << 40}, true
	}
	return etcd.Owner{Process: ownership.Process{Node: "n2"}, Revision: 1 << 40}, m.takes
}

// TestFaultF13: what comes back to the node that gave it up was not handed over, least of all to itself.
func TestFaultF13(t *testing.T) {
	withMover(t, func(t *testing.T, m *moverTest) {
		var lines lockedText
		m.mover.log = textLog(&lines)
		m.back = true
		if m.handOver(t.Context(), 7, "n2") {
			t.Error("counts as handed over")
		}
		if strings.Contains(lines.String(), "cliente handed over") || !strings.Contains(lines.String(), "came back") {
			t.Error(lines.String())
		}
	})
}

// has counts what n1 has.
func (m *moverTest) has() int { return m.leaserTest.keeper.running() }

func withMover(t *testing.T, test func(t *testing.T, m *moverTest)) {
	withLeaser(t, func(t *testing.T, l *leaserTest) {
		m := &moverTest{leaserTest: l, changed: newSignal(), takes: true}
		m.mover = &mover{
			timing: l.timing, node: "n1", rate: 5, drainRate: func() int { return 0 }, keeper: l.leaser.keeper, leaser: l.leaser,
			placement: &placement{records: ownersOnly{nil, m}, orders: m}, records: m,
			log: slog.New(slog.DiscardHandler), metrics: newMetrics(prometheus.NewRegistry()),
		}
		m.ring("n1")
		for c := range ownership.Cliente(20) {
			l.own(t, c+1).state.Store(api.Ready)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); m.mover.Run(ctx) }()
		synctest.Wait()
		test(t, m)
		cancel()
		<-done
	})
}

type ownersOnly struct {
	records
	owners *moverTest
}

func (o ownersOnly) Owner(c ownership.Cliente) (etcd.Owner, bool) { return o.owners.Owner(c) }
func (o ownersOnly) Changed() <-chan struct{}                     { return o.owners.Changed() }

func (m *moverTest) ring(names ...string) { m.placement.ring.Store(ring.New(names)) }

// share is how many of the clientes the ring places at n1.
func (m *moverTest) share() (n int) {
	for c := range ownership.Cliente(20) {
		if at, _ := m.placement.Of(c + 1); at == "n1" {
			n++
		}
	}
	return n
}

// A joined node gets its share slowly, when the ring has been at rest.
func TestRebalance(t *testing.T) {
	withMover(t, func(t *testing.T, m *moverTest) {
		m.ring("n1", "n2")
		share := m.share()
		if share == 0 || share > 14 {
			t.Fatalf("a ring that places %d of 20 at n1 proves nothing", share)
		}
		time.Sleep(m.timing.Quiet - time.Second)
		if m.has() != 20 {
			t.Errorf("%d of 20 are left before the ring was at rest", m.has())
		}
		time.Sleep(2*time.Second + time.Millisecond)
		if n := m.has(); n < 20-2*m.rate-1 || n == 20 {
			t.Errorf("%d of 20 are left after a second or two at %d a second", n, m.rate)
		}
		time.Sleep(10 * time.Second)
		if m.has() != share {
			t.Errorf("%d are left, the ring places %d here", m.has(), share)
		}
	})
}

// What nobody takes up is a reason to stop for a while, not to give up everything.
func TestRebalanceStopsWhereNobodyTakes(t *testing.T) {
	withMover(t, func(t *testing.T, m *moverTest) {
		m.takes = false
		m.ring("n2")
		time.Sleep(m.timing.Quiet + 2*m.timing.Sweep)
		if m.has() != 19 {
			t.Errorf("%d of 20 are left", m.has())
		}
	})
}

// A session that shows a QR code to somebody stays where it is.
func TestRebalanceLeavesPairingsAlone(t *testing.T) {
	withMover(t, func(t *testing.T, m *moverTest) {
		for _, s := range m.sessions.started {
			s.state.Store(api.QRRequired)
		}
		m.ring("n2")
		time.Sleep(time.Minute)
		if m.has() != 20 {
			t.Errorf("%d of 20 are left", m.has())
		}
	})
}

// An operator's word goes above the ring, at once.
func TestOrderedMove(t *testing.T) {
	withMover(t, func(t *testing.T, m *moverTest) {
		m.order(func() { m.targets = map[ownership.Cliente]string{7: "n2"} })
		time.Sleep(time.Second)
		if m.has() != 20 {
			t.Error("moved to a node that takes nothing")
		}
		m.ring("n1", "n2")
		m.order(func() {})
		time.Sleep(time.Millisecond)
		if _, owned := m.leaserTest.keeper.Owned(7); owned || m.has() != 19 {
			t.Errorf("7 is here: %v; %d are left", owned, m.has())
		}
	})
}

func TestOrderedDrain(t *testing.T) {
	withMover(t, func(t *testing.T, m *moverTest) {
		m.order(func() { m.drained = true })
		time.Sleep(time.Second)
		if m.has() != 0 || m.reason.Get() != errOrdered {
			t.Errorf("%d are left; not ready: %v", m.has(), m.reason.Get())
		}
		if member, _, _ := m.etcd.Member(context.Background(), "n1"); member.State != stateDrained {
			t.Errorf("state %q", member.State)
		}
		m.order(func() { m.drained = false })
		time.Sleep(time.Second)
		if member, _, _ := m.etcd.Member(context.Background(), "n1"); member.State != stateReady || m.reason.Get() != nil {
			t.Errorf("state %q; not ready: %v", member.State, m.reason.Get())
		}
	})
}
