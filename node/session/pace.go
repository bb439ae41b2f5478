package session

import (
	"math/rand/v2"
	"time"
)

// backoff is the pause before the n-th attempt: at once after a drop, then 0.5, 1, 2 ... 30 s,
// each with up to half as much again so that many sessions do not come back together.
func backoff(n int) time.Duration {
	if n <= 1 {
		return rand.N(firstBackoff / 2)
	}
	d := min(firstBackoff<<min(n-2, 10), maxBackoff)
	return d + rand.N(d/2+1)
}

const (
	// mostConnections is how many connections a session opens within connectionSpan at most, whatever
	// asks for them: WhatsApp takes more for an attack. One is left for the next owner.
	mostConnections = 5
	connectionSpan  = 10 * time.Second
)

// pace keeps the last connections of a session.
type pace struct {
	begun [mostConnections]time.Time
	next  int // index of the oldest
}

// wait is how long a connection at now must wait.
func (p *pace) wait(now time.Time) time.Duration {
	oldest := p.begun[p.next]
	if oldest.IsZero() {
		return 0
	}
	return max(0, connectionSpan-now.Sub(oldest))
}

// took books a connection that begins at now.
func (p *pace) took(now time.Time) {
	p.begun[p.next] = now
	p.next = (p.next + 1) % mostConnections
}
