package entrance

import "slices"

// now is the present round, never 0.
func (l *Listener) now() uint32 { return l.round.Load() + 1 }

// arm makes rounds pass. Holds mu.
func (l *Listener) arm() { l.alarm.Reset(interval) }

// tooBusy is the answer to who has waited in vain, whatever it was that it asked.
const tooBusy = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json; charset=utf-8\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 118\r\n\r\n" +
	`{"error":true,"code":"TOO_MANY_CONNECTIONS","message":"Too many connections from this address - close some, or retry"}`

// mostRefusals are those of one round: each takes a moment.
const mostRefusals = 16

// look begins another round: who is quiet makes room for who waits.
func (l *Listener) look() {
	l.mu.Lock()
	l.round.Add(1)
	var quiet, vain []*Conn
	waits := l.full
	for _, s := range l.sources {
		for _, c := range s.waiting {
			if l.now()-c.since.Load() >= patienceEnds && len(vain) < mostRefusals {
				vain = append(vain, c)
			}
		}
		if n := len(s.waiting); n > 0 {
			waits = true
			quiet = append(quiet, l.makeRoom(s, n, n)...)
		}
	}
	if l.full {
		n, s := max(4, l.bounds.Most/16), l.largest()
		quiet = append(quiet, l.makeRoom(s, max(4, l.bounds.Most/2), n)...)
		if len(quiet) == 0 && s != nil { // all may have gone since
			vain = append(vain, s.waiting[:min(n, len(s.waiting), mostRefusals)]...)
		}
	}
	if waits && !l.isClosed() {
		l.arm()
	}
	l.mu.Unlock()
	for _, c := range vain {
		l.metrics.refused(l.port)
		c.refuse()
	}
	for _, c := range quiet {
		l.metrics.closed(l.port)
		c.cut()
	}
}

// largest is the source with the most connections; nil: there is none. Holds mu.
func (l *Listener) largest() *source {
	var most *source
	for _, s := range l.sources {
		if most == nil || s.placed+len(s.waiting) > most.placed+len(most.waiting) {
			most = s
		}
	}
	return most
}

// makeRoom are those of a source that make room: up to mute which have never said a word, for which
// a round is enough, else up to n which have been quiet, the quietest first. Holds mu.
func (l *Listener) makeRoom(s *source, mute, n int) []*Conn {
	var never, quiet []*Conn
	for c := range l.conns {
		since := c.since.Load()
		if l.sources[c.source] != s || !c.placed || since == 0 || c.kept.Load() {
			continue
		}
		switch rounds := l.now() - since; {
		case rounds > muteRounds && !c.spoken.Load():
			never = append(never, c)
		case rounds >= quietRounds:
			quiet = append(quiet, c)
		}
	}
	if len(never) > 0 {
		quiet, n = never, mute
	}
	slices.SortFunc(quiet, func(a, b *Conn) int { return int(int64(a.since.Load()) - int64(b.since.Load())) })
	return quiet[:min(n, len(quiet))]
}
