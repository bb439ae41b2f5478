package session

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	states              *prometheus.GaugeVec
	logins              prometheus.Counter
	sends               *prometheus.CounterVec // by outcome
	refusals            *prometheus.CounterVec // by WhatsApp's code
	incoming            *prometheus.CounterVec // by outcome
	retries, unanswered prometheus.Counter
	slowStops           prometheus.Counter
	panics              prometheus.Counter
	rests               prometheus.Counter
	restrictions        *prometheus.CounterVec // by WhatsApp's code
	reachable           prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		states: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "session_manager_sessions", Help: "Sessions at this node, by state."}, []string{"state"}),
		logins: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "session_manager_logins_total", Help: "Successful logins to WhatsApp."}),
		sends: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "session_manager_sends_total", Help: "Messages that callers asked to send, by outcome."}, []string{"outcome"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "session_manager_send_refusals_total", Help: "Messages that WhatsApp refused, by its code."}, []string{"code"}),
		incoming: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "session_manager_incoming_total", Help: "Messages that WhatsApp delivered, by outcome."}, []string{"outcome"}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "session_manager_retries_total", Help: "Requests of recipients to send a message again that they could not decrypt."}),
		unanswered: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "session_manager_retries_unanswered_total",
			Help: "Of these, requests that could not be answered: the recipient does not see the message unless the request comes again."}),
		slowStops: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "session_manager_slow_stops_total", Help: "Sessions that took longer to end than their budget."}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "session_manager_session_panics_total", Help: "Panics that were kept within one session."}),
		rests: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "session_manager_crash_rests_total", Help: "Sessions that were left alone here, as a node's process had died of what WhatsApp sent to them."}),
		restrictions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "session_manager_restrictions_total", Help: "Accounts that WhatsApp has banned or locked for good, by its code."}, []string{"code"}),
		reachable: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "session_manager_whatsapp_reachable", Help: "1 when the last attempt to reach WhatsApp succeeded."}),
	}
	r.MustRegister(m.states, m.logins, m.sends, m.refusals, m.incoming, m.retries, m.unanswered, m.slowStops, m.panics, m.rests, m.restrictions, m.reachable)
	return m
}

// moved books a change of state; "" is a session that is not there.
func (m *metrics) moved(from, to State) {
	if from != "" {
		m.states.WithLabelValues(string(from)).Dec()
	}
	if to != "" {
		m.states.WithLabelValues(string(to)).Inc()
	}
}
