package node

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"session-manager/node/ownership"
	"session-manager/node/session"
)

// metrics of ownership at this node; router and session have their own.
type metrics struct {
	acquired   prometheus.Counter
	released   *prometheus.CounterVec // by cause
	renewals   *prometheus.CounterVec // by outcome
	leasesLost prometheus.Counter
	polls      *prometheus.CounterVec // by outcome
	moved      prometheus.Counter
	failovers  prometheus.Counter
	crowded    prometheus.Counter
	setbacks   *prometheus.CounterVec // by whom
	cleaned    *prometheus.CounterVec // by table
	refused    prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		acquired: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "session_manager_clientes_acquired_total", Help: "Clientes that this node became the owner of."}),
		released: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "session_manager_clientes_released_total", Help: "Clientes that this node gave up, by cause."}, []string{"cause"}),
		renewals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "session_manager_lease_renewals_total", Help: "Renewals of this node's lease, by outcome."}, []string{"outcome"}),
		leasesLost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "session_manager_leases_lost_total", Help: "Leases that ended before this node gave them back."}),
		polls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "session_manager_store_polls_total", Help: "Polls of the store for its word while etcd's was about to end, by outcome."}, []string{"outcome"}),
		moved: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "session_manager_clientes_moved_total", Help: "Clientes that this node handed over to where they should be."}),
		failovers: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "session_manager_store_failovers_total", Help: "Failovers of the credential store that ended this node's sessions."}),
		crowded: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "session_manager_unpaired_refused_total", Help: "Requests for a cliente that is not paired which were refused, as this node has as many of them as it may."}),
		setbacks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "session_manager_takes_refused_total", Help: "Clientes that this node tried to take and could not, by what kept it from it: store or etcd. /readyz says why."}, []string{"by"}),
		cleaned: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "session_manager_cleaned_rows_total", Help: "Rows that this node deleted from the store since nobody needs them any more, by table."}, []string{"table"}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "session_manager_store_refused_values_total", Help: "Values that came from WhatsApp and that the credential store does not take: set aside, see the log."}),
	}
	r.MustRegister(m.refused, m.acquired, m.released, m.renewals, m.leasesLost, m.polls, m.moved, m.failovers, m.crowded, m.setbacks, m.cleaned)
	return m
}

// watch adds the gauges that read the keeper.
func (m *metrics) watch(r prometheus.Registerer, k *keeper) {
	r.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "session_manager_clientes_kept", Help: "Clientes that this node owns, is about to own or is giving up.",
		}, func() float64 { return float64(k.count()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "session_manager_clientes_most", Help: "Clientes that this node may keep, by its limit of open files; 0: any number.",
		}, func() float64 { return float64(k.Most()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "session_manager_start_queue", Help: "Clientes that wait to be started here.",
		}, func() float64 { return float64(k.queued()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "session_manager_clientes_unpaired", Help: "Clientes here that are not known to be paired; --max-unpaired bounds them.",
		}, func() float64 {
			k.mu.Lock()
			defer k.mu.Unlock()
			return float64(len(k.unpaired.strangers))
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "session_manager_riding", Help: "1 while only the store vouches for this node's sessions.",
		}, func() float64 {
			if k.Riding() {
				return 1
			}
			return 0
		}),
	)
}

func causeLabel(cause error) string {
	for _, c := range []struct {
		err   error
		label string
	}{
		{ownership.ErrFenced, "fenced"},
		{ownership.ErrLeaseLost, "lease_lost"},
		{ownership.ErrDraining, "drain"},
		{ownership.ErrHandedOver, "handed_over"},
		{ownership.ErrNotOwner, "not_owner"},
		{session.ErrPairingExpired, "pairing_expired"},
		{errUnasked, "unasked"},
		{ownership.ErrReleased, "released"},
	} {
		if errors.Is(cause, c.err) {
			return c.label
		}
	}
	return "session_failed"
}
