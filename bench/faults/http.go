package faults

import (
	"io"
	"net/http"
)

// caller has as many connections as it needs, as many callers together have.
var caller = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// mostBody is far more than any answer that is looked at.
const mostBody = 1 << 20

// do makes a request and returns the whole answer.
func do(req *http.Request) (status int, body []byte, err error) {
	resp, err := caller.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, mostBody))
	return resp.StatusCode, body, err
}
