package entrance

import "github.com/prometheus/client_golang/prometheus"

// Metrics count what happens at the ports. nil counts nothing.
type Metrics struct {
	registry prometheus.Registerer
	failures *prometheus.CounterVec
	refusals *prometheus.CounterVec
	closings *prometheus.CounterVec
}

// NewMetrics registers them.
func NewMetrics(r prometheus.Registerer) *Metrics {
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "session_manager_" + name, Help: help}, []string{"port"})
	}
	m := &Metrics{
		registry: r,
		failures: counter("accept_failures_total", "Accepts of connections that failed, of which most mean too few file descriptors."),
		refusals: counter("connections_refused_total", "Connections that were refused since their source had all that it may."),
		closings: counter("connections_made_room_total", "Quiet connections that were closed for others."),
	}
	r.MustRegister(m.failures, m.refusals, m.closings)
	return m
}

func (m *Metrics) watch(l *Listener) {
	if m == nil {
		return
	}
	labels := prometheus.Labels{"port": l.port}
	m.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "session_manager_connections", Help: "Connections of the port.", ConstLabels: labels,
		}, func() float64 {
			l.mu.Lock()
			defer l.mu.Unlock()
			return float64(len(l.conns))
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "session_manager_connections_most", Help: "Connections that the port may have; 0: any number.", ConstLabels: labels,
		}, func() float64 { return float64(l.bounds.Most) }))
}

func (m *Metrics) failed(port string) {
	if m != nil {
		m.failures.WithLabelValues(port).Inc()
	}
}

func (m *Metrics) refused(port string) {
	if m != nil {
		m.refusals.WithLabelValues(port).Inc()
	}
}

func (m *Metrics) closed(port string) {
	if m != nil {
		m.closings.WithLabelValues(port).Inc()
	}
}
