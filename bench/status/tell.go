package status

import (
	"session-manager/bench/report"
)

// Bars of the issue that asked for them.
const (
	expressBar = 15.0 // times its requests per CPU-second, at the owner
	bareBar    = 0.75
	proxyBar   = 1.0 // times the proxies' requests per CPU-second, and p99
	mallocsBar = 5.0 // of a forwarded request
)

// tell writes down figures, plots and what is to be known about them.
func (s *Status) tell(a *arena, into *report.Scenario) {
	by := make(map[string]*contender)
	for _, c := range a.contenders {
		by[c.name] = c
	}
	if rival := by[express]; rival != nil {
		into.AtLeast(expressBar, "owner / Express: requests per CPU-second", "x", by[owner].against(rival, perCPU)...)
		into.Tell("bare fasthttp / Express: requests per CPU-second", "x", by[bareServer].against(rival, perCPU)...)
	}
	into.AtLeast(bareBar, "owner / bare fasthttp: requests per CPU-second", "x", by[owner].against(by[bareServer], perCPU)...)
	for _, name := range []string{nginx, haproxy} {
		if rival := by[name]; rival != nil {
			into.AtLeast(proxyBar, "one hop / "+name+": requests per CPU-second", "x", by[hop].against(rival, perCPU)...)
			into.AtMost(proxyBar, "one hop / "+name+": p99 latency", "x", by[hop].against(rival, p99)...)
		}
	}
	into.AtMost(mallocsBar, "allocations of a forwarded request", "", by[hop].each(mallocs)...)
	into.Tell("allocations of a request at the owner", "", by[owner].each(mallocs)...)
	into.Tell("one hop / naive fasthttp proxy: requests per CPU-second", "x", by[hop].against(by[naive], perCPU)...)
	into.Tell("one hop / naive fasthttp proxy: p99 latency", "x", by[hop].against(by[naive], p99)...)
	direct, forwarding := []string{owner, bareServer, express}, []string{hop, nginx, haproxy, naive}
	for _, name := range append(direct, forwarding...) {
		if c := by[name]; c != nil {
			into.Tell(name+": CPU of a request", "us", c.each(cost)...)
			into.Tell(name+": requests", "1/s", c.each(perSecond)...)
			into.Tell(name+": latency, median", "ms", c.each(p50)...)
			into.Tell(name+": latency, p99", "ms", c.each(p99)...)
		}
	}
	into.Plots = append(into.Plots,
		plot("status-owner.svg", "GET /status: CPU of one request, µs", "µs of the server's CPU", by, direct, series{"", cost}),
		plot("status-hop.svg", "GET /status over one hop: CPU of forwarding one request, µs", "µs of the forwarder's CPU", by, forwarding, series{"", cost}),
		plot("status-latency.svg", "GET /status over one hop: latency under full load, ms", "ms", by, forwarding, series{"median", p50}, series{"p99", p99}))
	into.Notes = append(into.Notes,
		"Requests per CPU-second are those that were answered, over user and system time of the process that the callers are connected to: the node or proxy that forwards, not the owner behind it. A worker counts with its master.",
		"All processes are started anew for each round, but in a quick run.",
		"All answers are the same bytes of JSON. The bare server answers them, with the owner's headers, without looking at the request.",
		"A request has the headers that the hub's client (axios on Node.js) sends.",
		"Closed loop: all machines' cores are busy, and latencies are those of a full machine. They are comparable with one another and with nothing else.",
		"nginx: 1 worker, epoll, keep-alive on both sides without an end, upstream chosen by a map of the header, no access log, no retries.",
		"HAProxy: 1 thread, keep-alive on both sides, http-reuse always, backend chosen by an acl on the header, no log.",
		"Express: NODE_ENV=production, express.json(), a check of the header, a Map of sessions; ETags as Express makes them by default. It is loaded for 2 s first: cold, it costs three times as much.",
		"The naive proxy is what one writes first on fasthttp: a map of the header, HostClient.Do with the caller's own request. It knows of no owners, retries, deadlines or metrics.")
}

// series is one value to draw.
type series struct {
	name  string
	value func(sample) float64
}

// plot draws medians of those contenders that took part.
func plot(file, title, y string, by map[string]*contender, names []string, all ...series) report.Plot {
	p := report.Plot{File: file, Title: title, Y: y, Bars: true, Series: make([]report.Series, len(all))}
	for _, name := range names {
		c := by[name]
		if c == nil {
			continue
		}
		p.Labels = append(p.Labels, name)
		for i, s := range all {
			p.Series[i].Name = s.name
			p.Series[i].Y = append(p.Series[i].Y, report.Figure{Values: c.each(s.value)}.Median())
		}
	}
	return p
}
