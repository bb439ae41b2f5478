package node

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"session-manager/bench/ca"
	"session-manager/node/certificate"
	"session-manager/node/etcd"
	"session-manager/node/ownership"
	"session-manager/router"
	"session-manager/router/peer"
)

// fakeRecords is a view with one other node in it.
type fakeRecords struct {
	records
	mu      sync.Mutex // guards members
	members []etcd.Member
	changed *signal
}

func (f *fakeRecords) Members() []etcd.Member {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.members
}

func (f *fakeRecords) Member(name string) (etcd.Member, bool) {
	for _, m := range f.Members() {
		if m.Name == name {
			return m, true
		}
	}
	return etcd.Member{}, false
}

func (f *fakeRecords) Changed() <-chan struct{} { return f.changed.Wait() }

// fakePeer is another node's peer port.
type fakePeer struct {
	listener net.Listener
	mu       sync.Mutex // guards conns
	conns    []net.Conn
	stood    chan struct{} // one for each standing connection
}

func newFakePeer(t *testing.T, address, incarnation string) *fakePeer {
	t.Helper()
	return newSecurePeer(t, address, incarnation, nil)
}

// newSecurePeer is newFakePeer with TLS; nil: without.
func newSecurePeer(t *testing.T, address, incarnation string, secure *tls.Config) *fakePeer {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if secure != nil {
		l = tls.NewListener(l, secure)
	}
	p := &fakePeer{listener: l, stood: make(chan struct{}, 100)}
	t.Cleanup(p.end)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			p.conns = append(p.conns, c)
			p.mu.Unlock()
			if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n%s: %s\r\n\r\n", router.HeaderIncarnation, incarnation)
				p.stood <- struct{}{}
			}
		}
	}()
	return p
}

// accepted is how many connections there were since the last drop.
func (p *fakePeer) accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns)
}

// drop ends the standing connections, and nothing else.
func (p *fakePeer) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
}

// end is what the kernel does for a process that is killed.
func (p *fakePeer) end() {
	_ = p.listener.Close()
	p.drop()
}

func watching(t *testing.T, address string) (*witness, chan etcd.Member) {
	return watchingBy(t, address, nil)
}

// watchingBy is watching by TLS; nil: without.
func watchingBy(t *testing.T, address string, secure *tls.Config) (*witness, chan etcd.Member) {
	accused := make(chan etcd.Member, 10)
	timing := ownership.DefaultTiming()
	timing.Redial, timing.Renew = 20*time.Millisecond, 50*time.Millisecond
	w := &witness{
		proof: &peer.Proof{},
		node:  "n1", tls: secure, timing: timing, changed: newSignal(), log: slog.New(slog.DiscardHandler),
		records: &fakeRecords{changed: newSignal(), members: []etcd.Member{
			{Name: "n1", Incarnation: "me", Address: "127.0.0.1:1"}, {Name: "n2", Incarnation: "i2", Address: address, Lease: 7}}},
		accuse: func(_ context.Context, m etcd.Member, _ string) error { accused <- m; return nil },
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { w.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return w, accused
}

func TestEndOfAProcessIsSeen(t *testing.T) {
	peer := newFakePeer(t, "127.0.0.1:0", "i2")
	w, accused := watching(t, peer.listener.Addr().String())
	<-peer.stood
	changed := w.Changed()
	records := w.records.(*fakeRecords)
	records.mu.Lock()
	records.members = []etcd.Member{{Name: "n2", Incarnation: "i2", Address: peer.listener.Addr().String(), Lease: 8}} // it has another lease by now
	records.mu.Unlock()
	peer.end()
	select {
	case m := <-accused:
		if m.Lease != 8 || !w.SawEnd("i2") {
			t.Errorf("accused %+v, saw its end: %v", m, w.SawEnd("i2"))
		}
	case <-time.After(5 * time.Second):
		t.Fatal("not seen")
	}
	<-changed
}

// By TLS the evidence is the same: it is the kernel that resets and refuses. A port without
// it, or with a certificate of another authority, is nobody's end.
func TestEndIsSeenByTLS(t *testing.T) {
	a := ca.New(t)
	ours := certified(t, a, a)
	peer := newSecurePeer(t, "127.0.0.1:0", "i2", ours.Server())
	w, accused := watchingBy(t, peer.listener.Addr().String(), ours.Client())
	<-peer.stood
	peer.end()
	select {
	case <-accused:
	case <-time.After(5 * time.Second):
		t.Fatal("not seen")
	}
	if !w.SawEnd("i2") {
		t.Error("accused, but it has not seen the end")
	}
	b := ca.New(t)
	for name, secure := range map[string]*tls.Config{"plain": nil, "of another authority": certified(t, b, b).Server()} {
		t.Run(name, func(t *testing.T) {
			peer := newSecurePeer(t, "127.0.0.1:0", "i2", ours.Server())
			address := peer.listener.Addr().String()
			w, accused := watchingBy(t, address, ours.Client())
			<-peer.stood
			_ = peer.listener.Close()
			successor := newSecurePeer(t, address, "i3", secure)
			peer.drop()
			for successor.accepted() < 3 {
				time.Sleep(time.Millisecond)
			}
			if len(accused) != 0 || w.SawEnd("i2") {
				t.Error("accused though somebody listens there")
			}
		})
	}
}

// certified is a certificate of one authority that believes in another.
func certified(t *testing.T, issuer, believed *ca.Authority) *certificate.Certificate {
	t.Helper()
	dir := t.TempDir()
	f := certificate.Files{Cert: filepath.Join(dir, "cert"), Key: filepath.Join(dir, "key"), CA: believed.File}
	issuer.Issue(f.Cert, f.Key, time.Hour)
	c, err := certificate.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A connection that breaks while somebody listens, or another process at the address, or an
// address where nobody ever stood, is no evidence.
func TestNoEvidence(t *testing.T) {
	t.Run("the connection broke", func(t *testing.T) {
		peer := newFakePeer(t, "127.0.0.1:0", "i2")
		w, accused := watching(t, peer.listener.Addr().String())
		for range 3 {
			<-peer.stood
			peer.drop()
		}
		<-peer.stood
		if len(accused) != 0 || w.SawEnd("i2") {
			t.Error("accused while it listens")
		}
	})
	t.Run("another process", func(t *testing.T) {
		peer := newFakePeer(t, "127.0.0.1:0", "i2")
		address := peer.listener.Addr().String()
		w, accused := watching(t, address)
		<-peer.stood
		_ = peer.listener.Close()
		successor := newFakePeer(t, address, "i3")
		peer.drop()
		for range 3 {
			<-successor.stood
		}
		if len(accused) != 0 || w.SawEnd("i2") {
			t.Error("accused though somebody listens there")
		}
	})
	t.Run("never stood", func(t *testing.T) {
		w, accused := watching(t, "127.0.0.1:1")
		time.Sleep(5 * w.timing.Renew) // some dials, all refused
		if len(accused) != 0 || w.SawEnd("i2") {
			t.Error("accused on refused dials alone")
		}
	})
}
