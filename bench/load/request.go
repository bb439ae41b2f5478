package load

import (
	"fmt"
	"strconv"
	"strings"
)

// Request is a request as it goes over the wire. Headers are names and values in turn.
func Request(method, path string, body []byte, headers ...string) []byte {
	if len(headers)%2 != 0 {
		panic(fmt.Sprintf("load: a header has no value: %q", headers))
	}
	var text strings.Builder
	text.WriteString(method + " " + path + " HTTP/1.1\r\nHost: bench\r\n")
	for i := 0; i < len(headers); i += 2 {
		text.WriteString(headers[i] + ": " + headers[i+1] + "\r\n")
	}
	if body != nil {
		text.WriteString("Content-Length: " + strconv.Itoa(len(body)) + "\r\n")
	}
	text.WriteString("\r\n")
	return append([]byte(text.String()), body...)
}
