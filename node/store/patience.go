package store

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// awayTime is how long one write may take where the database has carried out none for answerTime: its
// caller is told at once, and need not find out anew what others have found out before.
const awayTime = time.Second

// patience is how long writes are waited for. While the database is away one write at a time is still given
// all the time there is: it finds a database that is back, but slow.
type patience struct {
	away  atomic.Int64 // since when no write has been carried out, in nanoseconds since 1970; 0: they are
	scout atomic.Bool  // a write is under way that has all the time there is
}

// begin returns how long a write may take, and whether it is the scout. end must be called after it.
func (p *patience) begin(answer time.Duration) (limit time.Duration, scout bool) {
	away := p.away.Load()
	switch {
	case away == 0 || time.Since(time.Unix(0, away)) < answer:
		return answer, false
	case p.scout.CompareAndSwap(false, true):
		return answer, true
	}
	return min(answer, awayTime), false
}

// end books how a write ended: done, not carried out, or otherwise, which says nothing of the database.
func (p *patience) end(err error, scout bool) {
	if scout {
		p.scout.Store(false)
	}
	switch {
	case err == nil:
		if p.away.Load() != 0 {
			p.away.Store(0)
		}
	case errors.Is(err, context.Canceled): // the caller gave up
	case faultOf(err) == away:
		p.away.CompareAndSwap(0, time.Now().UnixNano())
	}
}
