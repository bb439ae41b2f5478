package router

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/valyala/fasthttp"

	"session-manager/node/ownership"
	"session-manager/router/api"
)

// Requests and answers go over a stream in frames, numbers big-endian:
//
//	every frame   length of what follows these two numbers (4 bytes), number of the request (4)
//	a request     route (1), cliente (8), milliseconds left (4), lengths of key (1) and ID (1), key, ID, body
//	told          as a request, of number 0 and without a body; no answer comes (tell.go)
//	an answer     status (2), count of headers (1), of each: length (1), name, length (2), value; body
//
// Whoever changes them gives streamsVersion another number; nodes of two versions ask one another by HTTP.
// Version 1 had neither the time that is left nor the ID.
const (
	told = api.Route(255) // the route of that frame

	frameHead   = 8
	requestHead = 15
	answerHead  = 3
)

var errFrame = errors.New("malformed frame")

// asked is a request of a cliente, as its owner needs to know it.
type asked struct {
	target
	left          time.Duration // until its caller gives up; on the wire in milliseconds
	key, id, body []byte
}

func appendRequest(b []byte, number uint32, a asked) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(requestHead+len(a.key)+len(a.id)+len(a.body)))
	b = binary.BigEndian.AppendUint32(b, number)
	b = append(b, byte(a.route))
	b = binary.BigEndian.AppendUint64(b, uint64(a.cliente))
	b = binary.BigEndian.AppendUint32(b, uint32(max(0, a.left.Milliseconds())))
	b = append(b, byte(len(a.key)), byte(len(a.id))) // validKey: 255 at most; maxRequestID: 128
	return append(append(append(b, a.key...), a.id...), a.body...)
}

// parseRequest takes a frame apart, without its head. The result is part of it. Its route may be one of
// a later release, which this node does not know.
func parseRequest(b []byte) (a asked, err error) {
	if len(b) < requestHead || len(b) < requestHead+int(b[13])+int(b[14]) {
		return a, errFrame
	}
	a.route, a.cliente = api.Route(b[0]), ownership.Cliente(binary.BigEndian.Uint64(b[1:]))
	if a.cliente < 1 || a.cliente > ownership.MaxCliente {
		return a, fmt.Errorf("%w: cliente %d", errFrame, a.cliente)
	}
	a.left = time.Duration(binary.BigEndian.Uint32(b[9:])) * time.Millisecond
	key, id := int(b[13]), int(b[14])
	b = b[requestHead:]
	a.key, a.id, a.body = b[:key], b[key:key+id], b[key+id:]
	return a, nil
}

// appendAnswer leaves out what is of the connection, which the other node says for itself.
func appendAnswer(b []byte, number uint32, response *fasthttp.Response) []byte {
	begin := len(b)
	b = append(b, make([]byte, frameHead)...)
	b = binary.BigEndian.AppendUint16(b, uint16(response.StatusCode()))
	count := len(b)
	b = append(b, 0)
	for name, value := range response.Header.All() {
		switch string(name) {
		case fasthttp.HeaderContentLength, fasthttp.HeaderConnection, fasthttp.HeaderServer, fasthttp.HeaderDate:
			continue
		}
		b = append(append(b, byte(len(name))), name...) // names and values are ours, and short
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(value))), value...)
		b[count]++
	}
	b = append(b, response.Body()...)
	binary.BigEndian.PutUint32(b[begin:], uint32(len(b)-begin-frameHead))
	binary.BigEndian.PutUint32(b[begin+4:], number)
	return b
}

// parseAnswer fills the response from a frame without its head.
func parseAnswer(b []byte, response *fasthttp.Response) error {
	if len(b) < answerHead {
		return errFrame
	}
	response.SetStatusCode(int(binary.BigEndian.Uint16(b)))
	headers := int(b[2])
	b = b[answerHead:]
	for range headers {
		name, rest, ok := cutFront(b, 1)
		if !ok {
			return errFrame
		}
		value, rest, ok := cutFront(rest, 2)
		if !ok {
			return errFrame
		}
		response.Header.SetBytesKV(name, value)
		b = rest
	}
	response.SetBody(b)
	return nil
}

// cutFront takes what comes after its length, a number of one or two bytes.
func cutFront(b []byte, size int) (part, rest []byte, ok bool) {
	if len(b) < size {
		return nil, nil, false
	}
	n := int(b[0])
	if size == 2 {
		n = n<<8 | int(b[1])
	}
	if len(b) < size+n {
		return nil, nil, false
	}
	return b[size : size+n], b[size+n:], true
}

// readHead reads the head of a frame. What follows it may have limit bytes.
func readHead(r *bufio.Reader, limit int) (number uint32, length int, err error) {
	head, err := r.Peek(frameHead)
	if err != nil {
		return 0, 0, err
	}
	number, length = binary.BigEndian.Uint32(head[4:]), int(binary.BigEndian.Uint32(head))
	if length > limit {
		return 0, 0, fmt.Errorf("%w: %d bytes", errFrame, length)
	}
	_, err = r.Discard(frameHead)
	return number, length, err
}

// readRest reads what follows a head, into space where that is long enough. Else it makes more with
// what has come: who writes heads alone shall cost nothing.
func readRest(r *bufio.Reader, length int, space []byte) ([]byte, error) {
	space = space[:0]
	for len(space) < length {
		if cap(space) < length {
			space = slices.Grow(space, min(length-len(space), max(len(space), freeBody)))
		}
		have := len(space)
		space = space[:min(length, cap(space))]
		if n, err := io.ReadFull(r, space[have:]); err != nil {
			return space[:have+n], err
		}
	}
	return space, nil
}
