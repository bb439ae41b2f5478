package node

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"session-manager/bench/emulator"
	"session-manager/bench/postgres"
	"session-manager/node/ownership"
	"session-manager/node/session"
	"session-manager/node/store"
)

// trips is a proxy to a database that counts round trips: how often something was asked after an answer.
type trips struct {
	listener net.Listener
	to       string
	work     sync.WaitGroup

	mu    sync.Mutex // guards what follows
	conns []net.Conn
	asked []string // what each trip asked for, as far as it can be read
}

func newTrips(t *testing.T, to string) *trips {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &trips{listener: l, to: to}
	p.work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.work.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		for _, c := range p.conns {
			_ = c.Close()
		}
		p.mu.Unlock()
		p.work.Wait()
	})
	return p
}

func (p *trips) serve(c net.Conn) {
	defer c.Close()
	server, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer server.Close()
	p.mu.Lock()
	p.conns = append(p.conns, c, server)
	p.mu.Unlock()
	var answered sync.Mutex
	fresh := true // nothing was asked since the last answer
	p.work.Go(func() {
		defer c.Close()
		for buffer := make([]byte, 64<<10); ; {
			n, err := server.Read(buffer)
			if err != nil {
				return
			}
			answered.Lock()
			fresh = true
			answered.Unlock()
			if _, err := c.Write(buffer[:n]); err != nil {
				return
			}
		}
	})
	for buffer := make([]byte, 64<<10); ; {
		n, err := c.Read(buffer)
		if err != nil {
			return
		}
		answered.Lock()
		first := fresh
		fresh = false
		answered.Unlock()
		if first {
			p.mu.Lock()
			p.asked = append(p.asked, text(buffer[:n]))
			p.mu.Unlock()
		}
		if _, err := io.Copy(server, bytes.NewReader(buffer[:n])); err != nil {
			return
		}
	}
}

// text is what can be read of a request.
func text(request []byte) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, string(request[:min(len(request), 300)]))), " ")
}

func (p *trips) since(n int) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.asked[n:]...)
}

// Round trips in all, of which some may be under way at once.
const (
	mostToReady     = 4
	mostOfFirstSend = 5 // the LID, the ratchets with all else, the send; its acknowledgement is booked meanwhile
)

// Where the database is far away a session is READY, and its first message out, after a few round trips.
func TestFaultF12FirstSend(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	server, err := postgres.Start(ctx, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	address, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	p := newTrips(t, address.Host)
	address.Host = p.listener.Addr().String()
	quiet := slog.New(slog.DiscardHandler)
	emu, err := emulator.New(emulator.Options{RootKeySeed: []byte("trips"), FewPrekeys: true})
	if err == nil {
		err = emu.Start("127.0.0.1:0")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = emu.Close() })
	key := emu.RootKey()
	engine, err := session.NewEngine(session.Config{Endpoint: emu.About().Endpoint, RootKey: key[:], Timing: ownership.DefaultTiming(), Log: quiet, Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(engine.Close)
	for _, number := range []string{"5491100000001", "5491100000002"} {
		if _, err := emu.AddPhone(number, "phone"); err != nil {
			t.Fatal(err)
		}
	}
	revision := int64(0)
	start := func() (*session.Session, func()) {
		s, err := store.Open(ctx, store.Config{URL: address.String(), Process: ownership.Process{Node: "n", Incarnation: "i"}, Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		revision++
		token := ownership.Token{Generation: 1, Revision: revision}
		if _, _, err := s.Raise(ctx, 51, token, nil); err != nil {
			t.Fatal(err)
		}
		hold := ownership.NewHold(context.Background(), 51, token, ownership.NewLease(1, time.Now(), time.Hour, time.Second))
		one := engine.Start(hold, account{s.Account(hold)})
		return one, func() {
			one.Stop(ownership.ErrReleased)
			<-one.Done()
			hold.End(ownership.ErrReleased)
			_ = s.Close()
		}
	}
	await := func(s *session.Session, state session.State) session.Snapshot {
		for {
			changed := s.Changed()
			if now := s.Snapshot(); now.State == state {
				return now
			}
			select {
			case <-changed:
			case <-ctx.Done():
				t.Fatalf("waited for %s in vain: %+v", state, s.Snapshot())
			}
		}
	}
	send := func(s *session.Session, text string) {
		t.Helper()
		if _, err := s.Send(ctx, session.Message{To: "5491100000002", Text: text, Key: "key-" + text, BodyHash: sha256.Sum256([]byte(text))}); err != nil {
			t.Fatal(err)
		}
	}
	first, end := start()
	if _, err := emu.Scan(ctx, "5491100000001", await(first, session.QRRequired).QR); err != nil {
		t.Fatal(err)
	}
	await(first, session.Ready)
	send(first, "one")
	end()

	again, end := start()
	defer end()
	ready := len(p.since(0))
	await(again, session.Ready)
	begun := len(p.since(0))
	send(again, "two")
	asked := p.since(begun)
	if begun-ready > mostToReady || len(asked) > mostOfFirstSend {
		t.Errorf("%d round trips to READY and %d of the first send, want %d and %d at most:\n%s",
			begun-ready, len(asked), mostToReady, mostOfFirstSend, strings.Join(p.since(ready), "\n"))
	}
}
