package router

import (
	"bufio"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// Nodes say in what they answer over HTTP that they serve streams, and which version: nodes of
// several releases run side by side while a cluster is upgraded.
const (
	streamPath     = "/stream"
	headerStreams  = "X-Session-Streams"
	streamsVersion = "2"
)

// streams are those from this node to others, one an address.
type streams struct {
	dial  func(address string) (net.Conn, error)
	token func(address string) string // that the node there asks for; "": none
	limit int                         // bytes of an answer
	calls sync.Pool
	work  sync.WaitGroup // streams being opened, and those that stand

	mu       sync.Mutex // guards what follows
	standing map[string]*stream
	tried    map[string]time.Time // when a stream to the address was opened last, or was to be
	closed   bool
}

// tryAgain is the least time from one stream to an address to the next.
const tryAgain = time.Second

func newStreams(dial func(string) (net.Conn, error), token func(string) string, limit int) *streams {
	return &streams{dial: dial, token: token, limit: limit, calls: sync.Pool{New: newCall}, standing: make(map[string]*stream), tried: make(map[string]time.Time)}
}

// to is the stream to an address; nil: there is none.
func (s *streams) to(address string) *stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.standing[address]
}

// offered opens a stream to a node that serves them, unless there is one or soon will be.
func (s *streams) offered(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.standing[address] != nil || time.Since(s.tried[address]) < tryAgain {
		return
	}
	s.tried[address] = time.Now()
	s.work.Go(func() {
		// Where it fails there is none: requests go by HTTP, which says what is wrong.
		if to, err := s.open(address); err == nil {
			s.carry(address, to)
		}
	})
}

func (s *streams) open(address string) (*stream, error) {
	conn, err := s.dial(address)
	if err != nil {
		return nil, err
	}
	in := bufio.NewReaderSize(conn, streamBuffer)
	if err := s.greet(conn, in, address); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return newStream(conn, in, s.limit), nil
}

// greet turns a connection into a stream.
func (s *streams) greet(conn net.Conn, in *bufio.Reader, address string) error {
	var request fasthttp.RequestHeader
	request.SetMethod(fasthttp.MethodGet)
	request.SetRequestURI(streamPath)
	request.SetHost(address)
	if token := s.token(address); token != "" {
		request.Set(HeaderPeer, token)
	}
	_ = conn.SetDeadline(time.Now().Add(dialTimeout)) // where it fails, so does what follows
	if _, err := conn.Write(request.Header()); err != nil {
		return err
	}
	var answer fasthttp.ResponseHeader
	if err := answer.Read(in); err != nil {
		return err
	}
	if answer.StatusCode() != fasthttp.StatusOK {
		return fmt.Errorf("%s is answered by %d", streamPath, answer.StatusCode())
	}
	return conn.SetDeadline(time.Time{})
}

// carry runs a stream to its end.
func (s *streams) carry(address string, to *stream) {
	s.mu.Lock()
	if s.closed {
		_ = to.conn.Close()
	} else {
		s.standing[address] = to
	}
	s.mu.Unlock()
	to.run()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.standing, address)
}

// putBack keeps a call for another request, but for a large answer.
func (s *streams) putBack(c *call) {
	if cap(c.answer) > mostSpare {
		c.answer = nil
	}
	s.calls.Put(c)
}

// close ends all streams, and returns when they have ended.
func (s *streams) close() {
	s.mu.Lock()
	s.closed = true
	for _, to := range s.standing {
		_ = to.conn.Close()
	}
	s.mu.Unlock()
	s.work.Wait()
}
