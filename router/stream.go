package router

import (
	"bufio"
	"errors"
	"net"
	"sync"
	"time"
)

// stream is a connection to another node that carries the requests of many callers at once, each
// of which is answered as soon as its owner has: none waits for another.
//
// Half of what a hop costs is system calls, and a stream shares them (outbox.go). It has no part in
// whether a request gets there: where there is none, or it takes no more, requests go by HTTP.
type stream struct {
	conn  net.Conn
	in    *bufio.Reader
	out   *outbox
	limit int // bytes of an answer

	mu      sync.Mutex // guards what follows
	last    uint32     // number of a call
	waiting map[uint32]*call
	ended   bool
	unbegun int         // once it has ended: the first batch of which nothing was written
	alarm   *time.Timer // runs expire
	due     time.Time   // when it does so next: at the first deadline of a call, or before; zero: never
}

// call is one request that waits for its answer. It is used again for another one.
type call struct {
	done     chan struct{} // capacity 1
	deadline time.Time
	answer   []byte // frame without its head
	err      error  // errLost, errOverdue
}

const (
	mostCalls    = 4096     // that wait for their answers on one stream
	streamBuffer = 16 << 10 // bytes that are read at once
)

var (
	errNoStream = errors.New("no stream")                       // nothing was done
	errLost     = errors.New("connection lost")                 // it may have been carried out
	errOverdue  = errors.New("no answer in time")               // likewise
	errUnsent   = errors.New("connection lost before the send") // nothing was done
)

func newCall() any { return &call{done: make(chan struct{}, 1)} }

func newStream(conn net.Conn, in *bufio.Reader, limit int) *stream {
	s := &stream{conn: conn, in: in, out: newOutbox(conn), limit: limit, waiting: make(map[uint32]*call)}
	s.alarm = time.AfterFunc(time.Hour, s.expire)
	s.alarm.Stop()
	return s
}

// ask makes a request and waits for its answer, until the deadline. c.answer is valid where it
// returns nil.
func (s *stream) ask(c *call, a asked, deadline time.Time) error {
	number, alone, ok := s.book(c, deadline)
	if !ok {
		return errNoStream
	}
	batch, ok := s.out.add(alone, func(b []byte) []byte { return appendRequest(b, number, a) })
	if !ok {
		if s.take(number) == nil {
			<-c.done
		}
		return errNoStream
	}
	<-c.done
	if c.err == errLost && !s.sent(batch) {
		return errUnsent
	}
	return c.err
}

// book gives a call its number. alone says that no other one waits.
func (s *stream) book(c *call, deadline time.Time) (number uint32, alone, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || len(s.waiting) >= mostCalls {
		return 0, false, false
	}
	s.last++
	s.waiting[s.last], c.deadline, c.err = c, deadline, nil
	if s.due.IsZero() || deadline.Before(s.due) {
		s.wakeAt(deadline)
	}
	return s.last, len(s.waiting) == 1, true
}

// expire ends the calls whose time is up. One timer does for all of them: nearly every call is
// answered long before its deadline, and a timer of its own would cost it more than its number does.
func (s *stream) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, next := time.Now(), time.Time{}
	for number, c := range s.waiting {
		switch {
		case !now.Before(c.deadline):
			delete(s.waiting, number)
			c.err = errOverdue
			c.done <- struct{}{}
		case next.IsZero() || c.deadline.Before(next):
			next = c.deadline
		}
	}
	s.wakeAt(next)
}

func (s *stream) wakeAt(t time.Time) {
	if s.due = t; !t.IsZero() {
		s.alarm.Reset(time.Until(t))
	}
}

// take is the call of that number, which is answered now; nil: nobody waits any more.
func (s *stream) take(number uint32) *call {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.waiting[number]
	delete(s.waiting, number)
	return c
}

// sent says whether anything of a batch may have been written before the stream ended.
func (s *stream) sent(batch int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return batch < s.unbegun
}

// run carries requests and answers until the connection ends.
func (s *stream) run() {
	var writing sync.WaitGroup
	writing.Go(func() {
		if s.out.run() != nil {
			_ = s.conn.Close() // ends the reading
		}
	})
	for s.readAnswer() == nil {
	}
	_ = s.conn.Close() // nothing is written after this
	s.end(s.out.close())
	writing.Wait()
}

func (s *stream) readAnswer() error {
	number, length, err := readHead(s.in, s.limit)
	if err != nil {
		return err
	}
	c := s.take(number)
	if c == nil {
		_, err := s.in.Discard(length)
		return err
	}
	c.answer, err = readRest(s.in, length, c.answer)
	if err != nil {
		c.err = errLost
	}
	c.done <- struct{}{}
	return err
}

// end tells everybody who waits.
func (s *stream) end(unbegun int) {
	s.mu.Lock()
	s.ended, s.unbegun = true, unbegun
	lost := s.waiting
	s.waiting = nil
	s.alarm.Stop()
	s.mu.Unlock()
	for _, c := range lost {
		c.err = errLost
		c.done <- struct{}{}
	}
}
