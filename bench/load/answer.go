package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// What an answer may be here.
const (
	firstBuffer = 4 << 10
	maxAnswer   = 4 << 20
)

var errUnread = errors.New("answer cannot be read here")

// answer is what is kept of one.
type answer struct {
	status int
	body   []byte // valid until the next is read
	last   bool   // the server closes the connection
}

// answers reads them off a connection, one for each request.
type answers struct {
	buffer []byte
	filled int // bytes in it
	used   int // of which the last answer took so many
}

func (a *answers) reset() { a.filled, a.used = 0, 0 }

// next reads one whole answer.
func (a *answers) next(r io.Reader) (answer, error) {
	a.filled = copy(a.buffer, a.buffer[a.used:a.filled])
	a.used = 0
	end := 0
	for {
		if end = bytes.Index(a.buffer[:a.filled], []byte("\r\n\r\n")); end >= 0 {
			break
		}
		if err := a.more(r); err != nil {
			return answer{}, err
		}
	}
	got, length, err := parseHead(a.buffer[:end+2])
	if err != nil {
		return answer{}, err
	}
	total := end + 4 + length
	for a.filled < total {
		if err := a.more(r); err != nil {
			return answer{}, err
		}
	}
	a.used, got.body = total, a.buffer[end+4:total]
	return got, nil
}

// more reads what there is.
func (a *answers) more(r io.Reader) error {
	if a.filled == len(a.buffer) {
		if len(a.buffer) >= maxAnswer {
			return fmt.Errorf("%w: longer than %d bytes", errUnread, maxAnswer)
		}
		a.buffer = append(a.buffer, make([]byte, max(firstBuffer, len(a.buffer)))...)
	}
	n, err := r.Read(a.buffer[a.filled:])
	a.filled += n
	if n > 0 {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// parseHead reads status and length out of the lines before a body.
func parseHead(head []byte) (got answer, length int, err error) {
	line, rest, _ := bytes.Cut(head, []byte("\r\n"))
	if len(line) < len("HTTP/1.1 200") || !bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return got, 0, fmt.Errorf("%w: it begins with %q", errUnread, line[:min(len(line), 40)])
	}
	if got.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return got, 0, fmt.Errorf("%w: it begins with %q", errUnread, line[:min(len(line), 40)])
	}
	length = -1
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		if len(line) == 0 || line[0]|0x20 != 'c' && line[0]|0x20 != 't' {
			continue // of no interest
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil || length < 0 {
				return got, 0, fmt.Errorf("%w: Content-Length %q", errUnread, value)
			}
		case bytes.EqualFold(name, []byte("Connection")):
			got.last = bytes.EqualFold(value, []byte("close"))
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			return got, 0, fmt.Errorf("%w: Transfer-Encoding %s", errUnread, value)
		}
	}
	if length < 0 {
		if got.status != 204 && got.status != 304 {
			return got, 0, fmt.Errorf("%w: no Content-Length", errUnread)
		}
		length = 0
	}
	return got, length, nil
}
