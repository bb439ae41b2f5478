package router

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"session-manager/router/api"
)

// kind is what a request was for, as the metrics have it.
type kind uint8

// The kinds. Requests of clientes follow, by their routes: those of callers, then of other nodes.
const (
	other kind = iota
	malformed
	probe
	operator
	order
	firstRoute
	kinds = firstRoute + 2*routes
)

const routes = kind(api.Restart) + 1

func callers(r api.Route) kind { return firstRoute + kind(r) }
func nodes(r api.Route) kind   { return firstRoute + routes + kind(r) }

func (k kind) String() string {
	switch {
	case k < firstRoute:
		return [...]string{"other", "malformed", "probe", "operator", "order"}[k]
	case k < firstRoute+routes:
		return api.Route(k - firstRoute).String()
	}
	return "peer-" + api.Route(k-firstRoute-routes).String()
}

// kindKey is where a request's kind is kept.
var kindKey = kindKeyType{}

type kindKeyType struct{}

type metrics struct {
	requests *prometheus.CounterVec // by route and status
	panics   prometheus.Counter
	// strangers are connections and requests between nodes that one side refused.
	strangers prometheus.Counter

	// What nearly every request counts is looked up by its labels once.
	good     [kinds]prometheus.Counter  // of requests, with status 200
	duration [kinds]prometheus.Observer // by route
	attempts [wheres][outcomes]prometheus.Counter
}

// where is where an attempt at a request was made.
type where uint8

const (
	nowhere where = iota
	here
	atOwner
	atPlacement
	wheres
)

func newMetrics(r prometheus.Registerer, waiting *places) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "session_manager_http_requests_total", Help: "Requests served, by route and status."}, []string{"route", "status"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "session_manager_http_panics_total", Help: "Panics that were kept within one request."}),
		strangers: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "session_manager_peers_refused_total", Help: "Requests at the peer port, or to another node's, whose other side did not prove to be a node of this cluster."}),
	}
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "session_manager_http_request_seconds", Help: "Time from a request to its answer, by route.",
		Buckets: []float64{.0005, .002, .01, .05, .2, 1, 5, 25}}, []string{"route"})
	attempts := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "session_manager_route_attempts_total", Help: "Attempts at requests of clientes, by where and outcome."}, []string{"where", "outcome"})
	for k := range kinds {
		m.good[k], m.duration[k] = m.requests.WithLabelValues(k.String(), "200"), duration.WithLabelValues(k.String())
	}
	for w, name := range [wheres]string{"nowhere", "here", "owner", "placement"} {
		for o, ended := range [outcomes]string{"answered", "not_started", "broken", "timed_out"} {
			m.attempts[w][o] = attempts.WithLabelValues(name, ended)
		}
	}
	r.MustRegister(m.requests, duration, attempts, m.panics, m.strangers, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "session_manager_requests_waiting", Help: "Requests that wait for a cliente's owner.",
	}, func() float64 { return float64(waiting.Load()) }))
	return m
}

func (m *metrics) served(k kind, status int, took time.Duration) {
	if status == fasthttp.StatusOK {
		m.good[k].Inc()
	} else {
		m.requests.WithLabelValues(k.String(), strconv.Itoa(status)).Inc()
	}
	m.duration[k].Observe(took.Seconds())
}

func (m *metrics) attempt(at Location, o outcome) {
	w := nowhere
	switch {
	case at.Mine, at.Owner == "" && at.PlacementMine:
		w = here
	case at.Owner != "":
		w = atOwner
	case at.Placement != "":
		w = atPlacement
	}
	m.attempts[w][o].Inc()
}
