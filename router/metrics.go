package router

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	requests *prometheus.CounterVec   // by route and status
	duration *prometheus.HistogramVec // by route
	attempts *prometheus.CounterVec   // by where and outcome
	waiting  prometheus.Gauge
	panics   prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "session_manager_http_requests_total", Help: "Requests served, by route and status."}, []string{"route", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "session_manager_http_request_seconds", Help: "Time from a request to its answer, by route.",
			Buckets: []float64{.0005, .002, .01, .05, .2, 1, 5, 25}}, []string{"route"}),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "session_manager_route_attempts_total", Help: "Attempts at requests of clientes, by where and outcome."}, []string{"where", "outcome"}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "session_manager_requests_waiting", Help: "Requests that wait for a cliente's owner."}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "session_manager_http_panics_total", Help: "Panics that were kept within one request."}),
	}
	r.MustRegister(m.requests, m.duration, m.attempts, m.waiting, m.panics)
	return m
}

func (m *metrics) served(route string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.duration.WithLabelValues(route).Observe(took.Seconds())
}

func (m *metrics) attempt(at Location, o outcome) {
	where := "nowhere"
	switch {
	case at.Mine, at.Owner == "" && at.PlacementMine:
		where = "here"
	case at.Owner != "":
		where = "owner"
	case at.Placement != "":
		where = "placement"
	}
	m.attempts.WithLabelValues(where, [...]string{"answered", "not_started", "broken", "timed_out"}[o]).Inc()
}
