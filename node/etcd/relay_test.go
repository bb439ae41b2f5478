package etcd

import (
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// relay stands between a client and a server, cuts their connections, or loses the replies.
type relay struct {
	listener net.Listener
	lose     atomic.Bool

	mu     sync.Mutex // guards what follows
	target string     // "": nobody is there
	conns  []net.Conn
	work   sync.WaitGroup
}

func newRelay(t *testing.T, target string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{listener: l}
	r.to(target)
	r.work.Go(r.accept)
	t.Cleanup(func() {
		_ = l.Close()
		r.cut()
		r.work.Wait()
	})
	return r
}

func (r *relay) address() string { return "http://" + r.listener.Addr().String() }

func (r *relay) to(target string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.target = strings.TrimPrefix(strings.TrimPrefix(target, "http://"), "unix://")
}

func (r *relay) loseReplies() { r.lose.Store(true) }

// heal lets replies through again, on new connections: the old ones have lost some.
func (r *relay) heal(target string) {
	r.cut()
	r.lose.Store(false)
	r.to(target)
}

func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.target = ""
	for _, c := range r.conns {
		_ = c.Close()
	}
	r.conns = nil
}

func (r *relay) accept() {
	for {
		near, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.mu.Lock()
		target := r.target
		far, err := dialTarget(target)
		if target == "" || err != nil {
			r.mu.Unlock()
			_ = near.Close()
			continue
		}
		r.conns = append(r.conns, near, far)
		r.mu.Unlock()
		r.work.Go(func() { _, _ = io.Copy(far, near); _ = far.Close() })
		r.work.Go(func() {
			buf := make([]byte, 32<<10)
			for {
				n, err := far.Read(buf)
				if err != nil {
					_ = near.Close()
					return
				}
				if !r.lose.Load() {
					if _, err := near.Write(buf[:n]); err != nil {
						return
					}
				}
			}
		})
	}
}

// dialTarget connects to a port, or to a socket's path.
func dialTarget(target string) (net.Conn, error) {
	if strings.HasPrefix(target, "/") {
		return net.Dial("unix", target)
	}
	return net.Dial("tcp", target)
}
