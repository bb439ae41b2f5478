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
	"os"
	"strings"
	"time"
)

// callTimeout bounds a call of the operator's commands.
const callTimeout = 5 * time.Second

// remote is the node that an operator's command talks to.
type remote struct {
	URL string `default:"http://127.0.0.1:3001" name:"url" help:"A node's public or trusted address; https where it has a certificate."`
	Key string `env:"SESSION_MANAGER_API_KEY" help:"API key, where the node asks for one."`
	CA  string `type:"path" name:"ca-file" help:"Authority of the node's certificate (PEM). Default: those of this machine." placeholder:"FILE"`
}

// get reads what the node says at the path; into may be nil.
func (r remote) get(ctx context.Context, path string, into any) error {
	return r.call(ctx, http.MethodGet, path, nil, into)
}

// call makes one call; its error is what the node answered.
func (r remote) call(ctx context.Context, method, path string, body []byte, into any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	url := strings.TrimSuffix(r.URL, "/") + path
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return usageError{fmt.Errorf("--url: %w", err)}
	}
	if r.Key != "" {
		request.Header.Set("X-API-Key", r.Key)
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
		return fmt.Errorf("%s answers %s: %s", url, response.Status, failure.Message)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(into)
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
