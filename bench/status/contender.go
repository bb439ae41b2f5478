package status

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Names of the contenders, as the report has them.
const (
	owner      = "owner"
	bareServer = "bare fasthttp"
	express    = "Express"
	hop        = "one hop"
	nginx      = "nginx"
	haproxy    = "HAProxy"
	naive      = "naive fasthttp proxy"
)

// contender is a server that callers are connected to.
type contender struct {
	name    string
	address string
	pid     int
	runtime string // base URL of /metrics, where it is a node
	warmUp  time.Duration
	samples []sample
}

// sample is what one round showed.
type sample struct {
	perCPU    float64 // requests per second of the process's CPU time
	perSecond float64
	mallocs   float64 // allocations per request; 0: unknown
	p50, p99  float64 // ms
}

// mallocs is how often the node has allocated up to now; 0 where it is none.
func (c *contender) mallocs(ctx context.Context) (float64, error) {
	if c.runtime == "" {
		return 0, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.runtime+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "go_memstats_mallocs_total "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, fmt.Errorf("%s/metrics: %w", c.runtime, errors.Join(errNoMallocs, lines.Err()))
}

var errNoMallocs = errors.New("it does not tell go_memstats_mallocs_total")

// each is one value of every sample, in order of the rounds.
func (c *contender) each(value func(sample) float64) []float64 {
	var all []float64
	for _, s := range c.samples {
		all = append(all, value(s))
	}
	return all
}

// against is the ratio to a rival, round by round.
func (c *contender) against(rival *contender, value func(sample) float64) []float64 {
	var all []float64
	for i := range min(len(c.samples), len(rival.samples)) {
		all = append(all, value(c.samples[i])/value(rival.samples[i]))
	}
	return all
}

func perCPU(s sample) float64    { return s.perCPU }
func cost(s sample) float64      { return 1e6 / s.perCPU } // µs
func perSecond(s sample) float64 { return s.perSecond }
func mallocs(s sample) float64   { return s.mallocs }
func p50(s sample) float64       { return s.p50 }
func p99(s sample) float64       { return s.p99 }
