package entrance

import (
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds are those of one port.
type Bounds struct {
	Most      int  // connections at a time; 0: any number
	PerSource int  // of one address; 0: as many as Most
	Secret    bool // TLS is spoken: refusals are not readable
}

const (
	// Quiet is what a connection must have been silent for to make room.
	Quiet = time.Second
	// Patience is how long a connection waits for a place of its source.
	Patience = 2 * time.Second

	interval     = 100 * time.Millisecond // between two looks for who makes room
	quietRounds  = uint32(Quiet / interval)
	muteRounds   = 1
	patienceEnds = uint32(Patience / interval)

	firstPause = 5 * time.Millisecond // after an accept that failed
	maxPause   = time.Second
	logEvery   = 10 * time.Second
)

// Listener accepts the connections of one port, within its bounds.
//
// Invariants:
//   - a Conn is in conns from its accept to its Close;
//   - a Conn is counted by its source from when it has a place; it waits in source.waiting before;
//   - rounds pass only while somebody waits: in peace, nothing here runs.
type Listener struct {
	net.Listener
	port    string
	bounds  Bounds
	log     *slog.Logger
	metrics *Metrics

	closed  chan struct{}
	once    sync.Once
	work    sync.WaitGroup
	come    chan struct{} // capacity 1: queue has something new
	room    chan struct{} // capacity 1: a connection has gone
	round   atomic.Uint32
	saidAt  time.Time // run's alone
	pausing time.Duration

	mu      sync.Mutex // guards what follows
	conns   map[*Conn]bool
	sources map[netip.Addr]*source
	queue   []*Conn // that have places, and were not taken by Accept yet
	full    bool    // somebody waits since all places are taken
	alarm   *time.Timer
}

// source is an address that connections come from.
type source struct {
	placed  int
	waiting []*Conn
}

// Bound puts bounds on a listener. Its connections are Conns where they are TCP. m may be nil.
func Bound(l net.Listener, port string, b Bounds, m *Metrics, log *slog.Logger) *Listener {
	if b.PerSource == 0 || b.Most > 0 && b.PerSource > b.Most {
		b.PerSource = b.Most
	}
	e := &Listener{
		Listener: l, port: port, bounds: b, log: log, metrics: m, closed: make(chan struct{}),
		come: make(chan struct{}, 1), room: make(chan struct{}, 1),
		conns: make(map[*Conn]bool), sources: make(map[netip.Addr]*source),
	}
	e.alarm = time.AfterFunc(time.Hour, e.look)
	e.alarm.Stop()
	m.watch(e)
	e.work.Go(e.run)
	return e
}

// Accept returns the next connection that has a place.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		l.mu.Lock()
		if len(l.queue) > 0 {
			c := l.queue[0]
			l.queue = l.queue[1:]
			if len(l.queue) > 0 {
				notify(l.come)
			}
			l.mu.Unlock()
			return c, nil
		}
		l.mu.Unlock()
		select {
		case <-l.come:
		case <-l.closed:
			return nil, net.ErrClosed
		}
	}
}

// Close ends the accepting, and the connections that nobody has accepted yet.
func (l *Listener) Close() error {
	err := net.ErrClosed
	l.once.Do(func() {
		close(l.closed)
		err = l.Listener.Close()
		l.work.Wait()
		l.mu.Lock()
		l.alarm.Stop()
		left := l.queue
		for _, s := range l.sources {
			left = append(left, s.waiting...)
		}
		l.queue = nil
		l.mu.Unlock()
		for _, c := range left {
			_ = c.Close()
		}
	})
	return err
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run accepts until Close. What fails is waited out, whatever it is: a port whose accept fails for
// ever says so for ever, and a node with one is worth more than none.
func (l *Listener) run() {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			if l.isClosed() {
				return
			}
			l.failed(err)
			continue
		}
		l.pausing = 0
		tcp, ok := c.(*net.TCPConn)
		if !ok {
			_ = c.Close() // a port is TCP
			continue
		}
		l.seat(&Conn{TCPConn: tcp, listener: l, source: sourceOf(tcp)})
	}
}

func (l *Listener) isClosed() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

// failed waits after an accept that failed: for longer each time, or until a connection has gone.
func (l *Listener) failed(err error) {
	l.metrics.failed(l.port)
	l.say("connections are not accepted; they wait: are there too few open files (ulimit -n)?", "err", err)
	l.pausing = min(max(2*l.pausing, firstPause), maxPause)
	l.wait(l.pausing)
}

func (l *Listener) wait(most time.Duration) {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.room:
	case <-l.closed:
	}
}

// say logs rarely.
func (l *Listener) say(what string, args ...any) {
	if now := time.Now(); now.Sub(l.saidAt) >= logEvery {
		l.saidAt = now
		l.log.Warn(what, append(args, "port", l.port, "listen", l.Addr().String())...)
	}
}

// seat gives the connection a place, for which it may have to wait.
func (l *Listener) seat(c *Conn) {
	l.mu.Lock()
	for l.bounds.Most > 0 && len(l.conns) >= l.bounds.Most {
		l.full = true
		l.arm()
		l.mu.Unlock()
		l.say("all connections of the port are taken; others wait", "connections", l.bounds.Most)
		l.wait(maxPause)
		if l.isClosed() {
			_ = c.TCPConn.Close()
			return
		}
		l.mu.Lock()
	}
	defer l.mu.Unlock()
	l.full = false
	l.conns[c] = true
	s := l.sources[c.source]
	if s == nil {
		s = &source{}
		l.sources[c.source] = s
	}
	if l.bounds.PerSource > 0 && s.placed >= l.bounds.PerSource {
		c.since.Store(l.now())
		s.waiting = append(s.waiting, c)
		l.arm()
		l.say("a source has all the connections that it may; others of it wait", "source", c.source.String(), "connections", s.placed)
		return
	}
	l.place(c, s)
}

// place gives c its place. Holds mu.
func (l *Listener) place(c *Conn, s *source) {
	s.placed++
	c.placed = true
	c.since.Store(l.now())
	l.queue = append(l.queue, c)
	notify(l.come)
}

// leave takes c out, and gives its place to who has waited longest.
func (l *Listener) leave(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.conns[c] {
		return
	}
	delete(l.conns, c)
	notify(l.room)
	s := l.sources[c.source]
	if !c.placed {
		s.drop(c)
	} else if s.placed--; len(s.waiting) > 0 {
		next := s.waiting[0]
		s.waiting = s.waiting[1:]
		l.place(next, s)
	}
	if s.placed == 0 && len(s.waiting) == 0 {
		delete(l.sources, c.source)
	}
}

func (s *source) drop(c *Conn) {
	for i, w := range s.waiting {
		if w == c {
			s.waiting = append(s.waiting[:i], s.waiting[i+1:]...)
			return
		}
	}
}
