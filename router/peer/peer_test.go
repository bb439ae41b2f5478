package peer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func secret(letter string) []byte { return bytes.Repeat([]byte(letter), SecretSize) }

func node(name string, secrets ...string) *Proof {
	p := &Proof{Node: name, Address: name + ":7001"}
	var keys [][]byte
	for _, s := range secrets {
		keys = append(keys, secret(s))
	}
	p.Use(Secrets{Keys: keys})
	return p
}

// recorded keeps what one side of a connection has written.
type recorded struct {
	net.Conn
	mu  sync.Mutex // guards out
	out bytes.Buffer
}

func (r *recorded) Write(b []byte) (int, error) {
	r.mu.Lock()
	r.out.Write(b)
	r.mu.Unlock()
	return r.Conn.Write(b)
}

// introduced has a caller introduce itself, and returns whom the callee then takes it for, and what each made of it.
func introduced(t *testing.T, caller, callee *Proof, to Other) (from string, said []byte, callerErr, calleeErr error) {
	t.Helper()
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	met := &Met{Conn: there, proof: callee}
	done := make(chan error, 1)
	go func() {
		_, err := io.ReadFull(met, make([]byte, 5))
		if err != nil {
			_ = there.Close()
		}
		done <- err
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	out := &recorded{Conn: here}
	if callerErr = caller.Introduce(ctx, out, to); callerErr == nil {
		_, _ = io.WriteString(here, "hello")
	}
	_ = here.SetDeadline(time.Now().Add(20 * time.Second))
	calleeErr = <-done
	return met.From(), out.out.Bytes(), callerErr, calleeErr
}

// Each row is one pair of nodes; who is not what the other means is refused, and learns why.
func TestFaultC6Introductions(t *testing.T) {
	to := Other{Name: "n2", Address: "n2:7001", Wire: Wire}
	for name, row := range map[string]struct {
		caller, callee *Proof
		to             Other
		wants          error
		says           string
	}{
		"one secret":               {node("n1", "a"), node("n2", "a"), to, nil, ""},
		"rotation, before":         {node("n1", "a"), node("n2", "a", "b"), to, nil, ""},
		"rotation, between":        {node("n1", "a", "b"), node("n2", "b", "a"), to, nil, ""},
		"rotation, after":          {node("n1", "b"), node("n2", "b", "a"), to, nil, ""},
		"another secret":           {node("n1", "x"), node("n2", "a"), to, ErrRefused, "secrets differ"},
		"a callee without secrets": {node("n1", "a"), node("n2"), to, ErrRefused, "starting"},
		"a caller without secrets": {node("n1"), node("n2", "a"), to, ErrRefused, "secrets differ"},
		"another node answers":     {node("n1", "a"), node("n3", "a"), to, ErrRefused, `node "n3"`},
		"passed on by a stranger":  {node("n1", "a"), node("n2", "a"), Other{Name: "n2", Address: "evil:7001", Wire: Wire}, ErrRefused, "n2:7001"},
	} {
		t.Run(name, func(t *testing.T) {
			from, _, err, calleeErr := introduced(t, row.caller, row.callee, row.to)
			if !errors.Is(err, row.wants) || err != nil && !strings.Contains(err.Error(), row.says) {
				t.Errorf("the caller says %v; want %v, %q", err, row.wants, row.says)
			}
			if (row.wants == nil) != (from == "n1") || (row.wants == nil) != (calleeErr == nil) {
				t.Errorf("the callee knows %q, and says %v", from, calleeErr)
			}
		})
	}
}

// Whoever has heard a whole introduction can do nothing with it: the callee's nonce is another one.
func TestFaultC6NoReplay(t *testing.T) {
	to := Other{Name: "n2", Address: "n2:7001", Wire: Wire}
	callee := node("n2", "a")
	from, said, err, _ := introduced(t, node("n1", "a"), callee, to)
	if from != "n1" || err != nil {
		t.Fatal(from, err)
	}
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	met := &Met{Conn: there, proof: callee}
	done := make(chan error, 1)
	go func() {
		_, err := met.Read(make([]byte, 4096))
		done <- err
	}()
	go func() { _, _ = io.Copy(io.Discard, here) }() // the callee's answers; ends with the connection
	hello := said[:bytes.LastIndex(said, []byte(magic))]
	for _, part := range [][]byte{hello, said[len(hello):]} {
		if _, err := here.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-done; err == nil || met.From() != "" {
		t.Errorf("a replayed introduction: %v, from %q", err, met.From())
	}
}

// A stranger that answers in a node's place cannot have the caller go on: by a MAC of its own, nor by the caller's.
func TestFaultC6StrangersAsCallees(t *testing.T) {
	to := Other{Name: "n2", Address: "n2:7001", Wire: Wire}
	silent := map[string]bool{"nothing": true} // that is no stranger: a node that ends does so
	for name, answer := range map[string]func(c net.Conn){
		"no proof": func(c net.Conn) {
			_, _ = writeFrame(c, reply{Nonce: nonce(), Key: Fingerprint(secret("a")), MAC: make([]byte, 32)})
		},
		"another secret": func(c net.Conn) { _, _ = writeFrame(c, reply{Nonce: nonce(), Key: Fingerprint(secret("x"))}) },
		"HTTP":           func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") },
		"nothing":        func(c net.Conn) { _ = c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			here, there := net.Pipe()
			heard := make(chan []byte, 1)
			go func() {
				defer there.Close()
				var h hello
				if _, err := readFrame(there, &h); err == nil {
					answer(there)
				}
				rest, _ := io.ReadAll(there)
				heard <- rest
			}()
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			want := map[bool]error{false: ErrStranger, true: ErrSilent}[silent[name]]
			if err := node("n1", "a").Introduce(ctx, here, to); !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
			if rest := <-heard; len(rest) > 0 {
				t.Errorf("the stranger heard %q", rest)
			}
		})
	}
}

// A token goes to nodes of wire 0 alone, and is believed for their sake alone.
func TestFaultC6OldToken(t *testing.T) {
	p := node("n1", "a", "b")
	old, now := Other{Name: "n2", Address: "n2:7001"}, Other{Name: "n3", Address: "n3:7001", Wire: Wire}
	shown := OldToken(secret("a"))
	for name, row := range map[string]struct {
		others   []Other
		to, want string
		believes bool
	}{
		"to an old node":       {[]Other{old, now}, old.Address, shown, true},
		"to a new one":         {[]Other{old, now}, now.Address, "", true},
		"new nodes only":       {[]Other{now}, now.Address, "", false},
		"to nobody knows whom": {[]Other{old}, "x:1", "", true},
		"its own past life":    {[]Other{{Name: "n1", Address: "n1:7001"}}, "x:1", "", false},
	} {
		p.Know(func() []Other { return row.others })
		if got := p.Token(row.to); got != row.want {
			t.Errorf("%s: token %q, want %q", name, got, row.want)
		}
		if got := p.Believes([]byte(shown)); got != row.believes {
			t.Errorf("%s: believes %v", name, got)
		}
		if p.Believes([]byte(OldToken(secret("x")))) || p.Believes(nil) {
			t.Errorf("%s: another token is believed", name)
		}
	}
}

func FuzzFrames(f *testing.F) {
	var frame bytes.Buffer
	_, _ = writeFrame(&frame, hello{Nonce: make([]byte, nonceSize), Caller: "n1", Callee: "n2"})
	f.Add(frame.Bytes())
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var h hello
		if said, err := readFrame(bytes.NewReader(b), &h); err == nil && len(said) > mostFrame {
			t.Errorf("%d bytes", len(said))
		}
	})
}
