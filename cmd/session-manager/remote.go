package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// callTimeout bounds a call of the operator's commands.
const callTimeout = 5 * time.Second

// remote is the node that an operator's command talks to.
type remote struct {
	URL string `default:"http://127.0.0.1:3001" name:"url" help:"A node's public or trusted address; https where it has a certificate."`
	Key string `env:"SESSION_MANAGER_API_KEY" help:"API key, where the node asks for one. On a command line everybody on this machine can read it: better --key-file, or the environment."`

	cliente uint64 // that calls are for; 0: for none

	KeyFile string `type:"path" help:"File with the API key." placeholder:"FILE"`
	CA      string `type:"path" name:"ca-file" help:"Authority of the node's certificate (PEM). Default: those of this machine." placeholder:"FILE"`
}

// get reads what the node says at the path; into may be nil.
func (r remote) get(ctx context.Context, path string, into any) error {
	return r.call(ctx, http.MethodGet, path, nil, into)
}

// call makes one call; its error is what the node answered.
func (r remote) call(ctx context.Context, method, path string, body []byte, into any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if u, err := url.Parse(r.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Port() != "" && hostPort(u.Host) != nil {
		return usageError{fmt.Errorf("--url: %q is not http://HOST:PORT or https://HOST:PORT", r.URL)}
	}
	address := strings.TrimSuffix(r.URL, "/") + path
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return usageError{fmt.Errorf("--url: %w", err)}
	}
	key, err := r.key()
	if err != nil {
		return usageError{err}
	}
	if r.cliente != 0 {
		request.Header.Set("X-Cliente-Id", strconv.FormatUint(r.cliente, 10))
	}
	if key != "" {
		request.Header.Set("X-API-Key", key)
	}
	secure, err := r.tls()
	if err != nil {
		return usageError{fmt.Errorf("--ca-file: %w", err)}
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: secure, DisableKeepAlives: true}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		var failure struct {
			Message string `json:"message"`
		}
		_ = json.NewDecoder(response.Body).Decode(&failure)
		return fmt.Errorf("%s answers %s: %s", address, response.Status, failure.Message)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(into)
}

// AfterApply warns about a key that others can read.
func (r remote) AfterApply(app *kong.Kong, ctx *kong.Context) error {
	for _, argument := range ctx.Args {
		if argument == "--key" || strings.HasPrefix(argument, "--key=") {
			fmt.Fprintln(app.Stderr, "session-manager: warning: --key is read by everybody on this machine who lists its processes: use --key-file, or SESSION_MANAGER_API_KEY")
			return nil
		}
	}
	return nil
}

// key returns the API key; "": none. Its error names the flag.
func (r remote) key() (string, error) {
	if r.KeyFile == "" {
		return r.Key, nil
	}
	text, err := os.ReadFile(r.KeyFile)
	if err != nil {
		return "", fmt.Errorf("--key-file: %w", err)
	}
	key := strings.TrimSpace(string(text))
	if key == "" || strings.ContainsAny(key, " \t\r\n") {
		return "", fmt.Errorf("--key-file: %s holds no API key: want one line", r.KeyFile)
	}
	return key, nil
}

func (r remote) tls() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if r.CA == "" {
		return c, nil
	}
	text, err := os.ReadFile(r.CA)
	if err != nil {
		return nil, err
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(text) {
		return nil, errors.New("no certificate in " + r.CA)
	}
	return c, nil
}
