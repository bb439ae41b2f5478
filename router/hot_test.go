package router

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"testing"

	"github.com/valyala/fasthttp"

	"session-manager/node/ownership"
	"session-manager/router/api"
)

// What the request path costs. Callers and peers of these tests speak HTTP as bytes, and
// allocate nothing, so that what is counted is the router's own.

// wire is a caller's connection that stands.
type wire struct {
	net.Conn
	buffer [4096]byte
}

func dialWire(tb testing.TB, address string) *wire {
	tb.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	return &wire{Conn: c}
}

// ask makes a request and returns the answer, which is gone at the next one.
func (w *wire) ask(request []byte) ([]byte, error) {
	if _, err := w.Write(request); err != nil {
		return nil, err
	}
	return w.answer()
}

var lengthHeader = []byte("Content-Length: ")

// answer reads one message of at most the buffer's size.
func (w *wire) answer() ([]byte, error) {
	for have := 0; have < len(w.buffer); {
		n, err := w.Read(w.buffer[have:])
		if err != nil {
			return nil, err
		}
		have += n
		if end := messageEnd(w.buffer[:have]); end > 0 && have >= end {
			return w.buffer[:end], nil
		}
	}
	return nil, io.ErrShortBuffer
}

// messageEnd is how long the message is, whose head begins b; 0: not known yet.
func messageEnd(b []byte) int {
	head := bytes.Index(b, []byte("\r\n\r\n"))
	if head < 0 {
		return 0
	}
	length := 0
	if at := bytes.Index(b[:head], lengthHeader); at >= 0 {
		for _, digit := range b[at+len(lengthHeader):] {
			if digit < '0' || digit > '9' {
				break
			}
			length = 10*length + int(digit-'0')
		}
	}
	return head + 4 + length
}

// statusAnswer is as an owner gives it.
const statusAnswer = `{"cliente_id":51,"connected":true,"state":"READY","status":"READY","reconnection_attempts":0,"max_reconnection_attempts":3,"can_send_messages":true,"needs_qr":false,"is_recoverable":false,"recommended_action":"Session operational - can send messages","qr_code_base64":null}`

// constantPeer gives every request the same answer, by streams too where it is to offer them.
func constantPeer(tb testing.TB, offers bool) (address string) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = l.Close() })
	offer := ""
	if offers {
		offer = headerStreams + ": " + streamsVersion + "\r\n"
	}
	answer := []byte(fmt.Sprintf("HTTP/1.1 200 OK\r\nDate: Tue, 24 Nov 2026 12:00:00 GMT\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\nX-Session-Owner: n2\r\nX-Session-Epoch: 1.7\r\n%s\r\n%s",
		len(statusAnswer), offer, statusAnswer))
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				w := &wire{Conn: c}
				for {
					request, err := w.answer()
					if err != nil {
						return
					}
					if bytes.HasPrefix(request, []byte("GET "+streamPath+" ")) {
						constantStream(c)
						return
					}
					if _, err := c.Write(answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// constantStream answers frames.
func constantStream(c net.Conn) {
	if _, err := c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")); err != nil {
		return
	}
	var response fasthttp.Response
	response.Header.SetContentType("application/json; charset=utf-8")
	response.Header.Set(headerOwner, "n2")
	response.Header.Set(headerEpoch, "1.7")
	response.SetBodyString(statusAnswer)
	answer := appendAnswer(nil, 0, &response)
	in, out := bufio.NewReader(c), bufio.NewWriter(c)
	for {
		number, length, err := readHead(in, 1<<20)
		if err != nil {
			return
		}
		if _, err := in.Discard(length); err != nil {
			return
		}
		binary.BigEndian.PutUint32(answer[4:], number)
		_, _ = out.Write(answer) // where it fails, so does Flush
		if in.Buffered() > 0 {
			continue
		}
		if out.Flush() != nil {
			return
		}
	}
}

// hotRequests are what is asked for most, as a caller behind a load balancer sends it.
var hotRequests = map[string][]byte{
	"status": []byte("GET /status HTTP/1.1\r\nHost: 127.0.0.1:3001\r\nUser-Agent: hub/1.0\r\nAccept: */*\r\nX-Cliente-Id: 51\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n"),
	"send": []byte("POST /send HTTP/1.1\r\nHost: 127.0.0.1:3001\r\nUser-Agent: hub/1.0\r\nAccept: */*\r\nContent-Type: application/json\r\nContent-Length: " +
		strconv.Itoa(len(body)) + "\r\nIdempotency-Key: order-7\r\nX-Cliente-Id: 51\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n" + body),
}

// forwarding is a router that forwards what is asked of it.
func forwarding(tb testing.TB, by string) *running {
	address := constantPeer(tb, by == "stream")
	r := start(tb, elsewhere(address), nil)
	if _, err := dialWire(tb, r.public).ask(hotRequests["status"]); err != nil {
		tb.Fatal(err)
	}
	if by == "stream" {
		eventually(tb, "a stream stands", func() bool { return r.streams.to(address) != nil })
	}
	return r
}

// owning is a router that serves it.
func owning(tb testing.TB) *running {
	w := newWorld()
	w.session = newFakeSession(api.Snapshot{State: api.Ready})
	w.at[51] = Location{Owner: "n1", Mine: true, Epoch: ownership.Token{Generation: 1, Revision: 7}, Placement: "n1", PlacementMine: true}
	return start(tb, w, nil)
}

// alsoUnwatched runs the test without the race detector too, where it watches: it allocates, and has
// other system calls.
func alsoUnwatched(t *testing.T) (watched bool) {
	t.Helper()
	if raceEnabled {
		if out, err := exec.Command("go", "test", "-run", "^"+t.Name()+"$", ".").CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
	return raceEnabled
}

// A forwarded request costs its node few allocations: the collector's work is what makes p99.
func TestForwardingAllocatesLittle(t *testing.T) {
	if alsoUnwatched(t) {
		return
	}
	for _, by := range []string{"stream", "HTTP"} {
		r := forwarding(t, by)
		for name, request := range hotRequests {
			w := dialWire(t, r.public)
			n := testing.AllocsPerRun(2000, func() {
				if answer, err := w.ask(request); err != nil || !bytes.HasSuffix(answer, []byte(statusAnswer)) {
					t.Fatal(err, string(answer))
				}
			})
			if n > 5 {
				t.Errorf("%s by %s: %v allocations, want 5 at most", name, by, n)
			}
		}
	}
}

func BenchmarkForward(b *testing.B) {
	for _, by := range []string{"stream", "HTTP"} {
		for _, name := range []string{"status", "send"} {
			b.Run(by+"/"+name, func(b *testing.B) { benchmarkHot(b, forwarding(b, by), hotRequests[name]) })
		}
	}
}

func BenchmarkStatus(b *testing.B) { benchmarkHot(b, owning(b), hotRequests["status"]) }

// benchmarkHot has several callers at once: a stream is the cheaper the more there are.
func benchmarkHot(b *testing.B, r *running, request []byte) {
	b.ReportAllocs()
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		w := dialWire(b, r.public)
		for pb.Next() {
			if _, err := w.ask(request); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
