package load

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestAnswers(t *testing.T) {
	for _, test := range []struct {
		name, wire string
		want       []answer
		err        error // after the last
	}{
		{"two", "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 503 No\r\ncontent-length: 0\r\nX: y\r\n\r\n",
			[]answer{{status: 200, body: []byte("abc")}, {status: 503}}, io.ErrUnexpectedEOF},
		{"closes", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na", []answer{{status: 200, body: []byte("a"), last: true}}, io.ErrUnexpectedEOF},
		{"keeps", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Type: a\r\nContent-Length:  1 \r\n\r\na", []answer{{status: 200, body: []byte("a")}}, io.ErrUnexpectedEOF},
		{"without body", "HTTP/1.1 204 No Content\r\nA: b\r\n\r\nHTTP/1.1 304 Not Modified\r\n\r\n", []answer{{status: 204}, {status: 304}}, io.ErrUnexpectedEOF},
		{"cut off", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", nil, io.ErrUnexpectedEOF},
		{"endless", "HTTP/1.1 200 OK\r\n\r\n", nil, errUnread},
		{"in chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", nil, errUnread},
		{"no HTTP", "SSH-2.0-x\r\n\r\n", nil, errUnread},
		{"no status", "HTTP/1.1 abc OK\r\n\r\n", nil, errUnread},
		{"bad length", "HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\n", nil, errUnread},
		{"long", "HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n" + strings.Repeat("a", 20000), []answer{{status: 200, body: []byte(strings.Repeat("a", 20000))}}, io.ErrUnexpectedEOF},
		{"too long", "HTTP/1.1 200 OK\r\n" + strings.Repeat("a", maxAnswer), nil, errUnread},
	} {
		for how, wrap := range map[string]func(io.Reader) io.Reader{"at once": func(r io.Reader) io.Reader { return r }, "in halves": iotest.HalfReader} {
			var a answers
			r := wrap(strings.NewReader(test.wire))
			for i, want := range test.want {
				got, err := a.next(r)
				if err != nil || got.status != want.status || string(got.body) != string(want.body) || got.last != want.last {
					t.Errorf("%s, %s, answer %d: %+v, %v; want %+v", test.name, how, i, got, err, want)
				}
			}
			if _, err := a.next(r); !errors.Is(err, test.err) {
				t.Errorf("%s, %s: ends with %v, want %v", test.name, how, err, test.err)
			}
		}
	}
}
