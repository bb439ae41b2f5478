package load

import (
	"context"
	"net"
	"time"
)

// Times of a connection. A caller of the product waits 30 s for an answer.
const (
	dialTimeout   = 5 * time.Second
	answerTimeout = 35 * time.Second
	refresh       = time.Second // how late a deadline may be: setting it costs, too
	firstPause    = 5 * time.Millisecond
	maxPause      = 500 * time.Millisecond // between connections that break
)

// caller is one connection, and what it saw.
type caller struct {
	o       *Options
	number  int
	address string

	conn    net.Conn // nil: none at the moment
	forget  func() bool
	set     time.Time // when the connection's deadline was
	answers answers

	statuses map[int]int
	latency  []time.Duration
	broken   int
	err      error
}

func (c *caller) run(ctx context.Context, limit *budget) {
	defer c.close()
	pause := firstPause
	now := time.Now()
	for n := 0; ctx.Err() == nil && limit.take(now); n++ {
		began := now
		status, err := c.ask(ctx, n, began)
		now = time.Now()
		if err == nil {
			pause = firstPause
			c.statuses[status]++
			if good(status) {
				c.latency = append(c.latency, now.Sub(began))
			}
			continue
		}
		c.close()
		if ctx.Err() != nil {
			return // it was cut off by us
		}
		c.broken++
		if c.err == nil {
			c.err = err
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, maxPause)
		now = time.Now()
	}
}

// ask makes one request and reads its answer.
func (c *caller) ask(ctx context.Context, n int, now time.Time) (status int, err error) {
	if c.conn == nil {
		if err := c.open(ctx); err != nil {
			return 0, err
		}
	}
	if now.Sub(c.set) > refresh {
		c.set = now
		if err := c.conn.SetDeadline(now.Add(answerTimeout)); err != nil {
			return 0, err
		}
		if ctx.Err() != nil { // its end may have set a deadline before this one
			return 0, context.Cause(ctx)
		}
	}
	if _, err := c.conn.Write(c.o.Next(c.number, n)); err != nil {
		return 0, err
	}
	a, err := c.answers.next(c.conn)
	if err != nil {
		return 0, err
	}
	if c.o.See != nil {
		c.o.See(c.number, n, a.status, a.body)
	}
	if a.last {
		c.close()
	}
	return a.status, nil
}

func (c *caller) open(ctx context.Context) error {
	d := net.Dialer{Timeout: dialTimeout}
	conn, err := d.DialContext(ctx, "tcp", c.address)
	if err != nil {
		return err
	}
	c.conn, c.set = conn, time.Time{}
	c.answers.reset()
	c.forget = context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return nil
}

func (c *caller) close() {
	if c.conn != nil {
		c.forget()
		_ = c.conn.Close()
		c.conn = nil
	}
}
