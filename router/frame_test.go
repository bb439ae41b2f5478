package router

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
	"pgregory.net/rapid"

	"session-manager/node/ownership"
	"session-manager/router/api"
)

// What goes into a frame comes out of it.
func TestFrames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sent := asked{
			target: target{api.Route(rapid.IntRange(0, int(routes)-1).Draw(t, "route")), ownership.Cliente(rapid.Int64Range(1, int64(ownership.MaxCliente)).Draw(t, "cliente"))},
			left:   time.Duration(rapid.Int64Range(0, 60_000).Draw(t, "left")) * time.Millisecond,
			key:    rapid.SliceOfN(rapid.Byte(), 0, maxKey).Draw(t, "key"), id: rapid.SliceOfN(rapid.Byte(), 0, maxRequestID).Draw(t, "id"),
			body: rapid.SliceOf(rapid.Byte()).Draw(t, "body"),
		}
		number := rapid.Uint32().Draw(t, "number")
		in := bufio.NewReader(bytes.NewReader(appendRequest([]byte{}, number, sent)))
		got, err := parseRequest(frameOf(t, in, number))
		if err != nil || got.target != sent.target || got.left != sent.left || !bytes.Equal(got.key, sent.key) || !bytes.Equal(got.id, sent.id) || !bytes.Equal(got.body, sent.body) {
			t.Errorf("%+v became %+v, %v", sent, got, err)
		}

		var said, heard fasthttp.Response
		said.SetStatusCode(rapid.IntRange(200, 599).Draw(t, "status"))
		said.SetBody(rapid.SliceOf(rapid.Byte()).Draw(t, "answer"))
		said.Header.SetContentType("application/json; charset=utf-8")
		for name, value := range rapid.MapOf(rapid.StringMatching(`X-[A-Z][a-z]{0,20}`), rapid.StringMatching(`[!-~]{1,300}`)).Draw(t, "headers") {
			said.Header.Set(name, value)
		}
		said.Header.Set("Connection", "close") // it is this connection's
		in = bufio.NewReader(bytes.NewReader(appendAnswer([]byte("before"), number, &said)[len("before"):]))
		if err := parseAnswer(frameOf(t, in, number), &heard); err != nil {
			t.Fatal(err)
		}
		said.Header.Del("Connection")
		if heard.String() != said.String() {
			t.Errorf("%q became %q", said.String(), heard.String())
		}
	})
}

func frameOf(t rapid.TB, in *bufio.Reader, want uint32) []byte {
	number, length, err := readHead(in, 1<<20)
	if err != nil || number != want {
		t.Fatalf("number %d, want %d: %v", number, want, err)
	}
	frame, err := readRest(in, length, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
		t.Fatalf("something is left: %v", err)
	}
	return frame
}

// Whatever comes is taken apart or refused.
func TestMalformedFrames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		frame := rapid.SliceOf(rapid.Byte()).Draw(t, "frame")
		if a, err := parseRequest(frame); err != nil && !errors.Is(err, errFrame) || err == nil && a.cliente < 1 {
			t.Errorf("%+v, %v", a, err)
		}
		var response fasthttp.Response
		if err := parseAnswer(frame, &response); err != nil && !errors.Is(err, errFrame) {
			t.Error(err)
		}
		if _, length, err := readHead(bufio.NewReader(bytes.NewReader(frame)), 100); err == nil && length > 100 {
			t.Errorf("%d bytes", length)
		}
	})
}
