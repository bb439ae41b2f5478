package certificate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"sync/atomic"
	"time"
)

// Certificate is a certificate that is followed. It is safe for concurrent use, but for Follow,
// which one goroutine calls.
type Certificate struct {
	files Files
	now   atomic.Pointer[content]
	bad   *content // the renewal that was refused last, nil once one was not; the follower's alone
}

// Open reads the files. An error says which file and why; in a mutual one that includes a
// certificate that the authority did not issue, or which has expired. A one-sided certificate
// may have expired: a node has sessions to run, whether its callers like what it shows or not.
func Open(f Files) (*Certificate, error) {
	first, err := load(f)
	if err != nil {
		return nil, err
	}
	c := &Certificate{files: f}
	c.now.Store(first)
	return c, nil
}

// Mutual says whether both sides show a certificate.
func (c *Certificate) Mutual() bool { return c.files.CA != "" }

// Expires is when the certificate ends.
func (c *Certificate) Expires() time.Time { return c.now.Load().pair.Leaf.NotAfter }

// Follow reads the files again, every so often, until ctx ends. Files that cannot be used
// leave the certificate as it was, and are told once. So does a certificate whose key has yet
// to be written: the next look finds both.
func (c *Certificate) Follow(ctx context.Context, every time.Duration, log *slog.Logger) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			c.reload(log)
		}
	}
}

func (c *Certificate) reload(log *slog.Logger) {
	next, err := load(c.files)
	switch {
	case next.sum == c.now.Load().sum:
		c.bad = nil // as it was, or as it was again
	case err == nil:
		c.now.Store(next)
		c.bad = nil
		log.Info("certificate was renewed", "file", c.files.Cert, "expires", next.pair.Leaf.NotAfter)
	case c.bad == nil || c.bad.sum != next.sum:
		c.bad = next
		log.Error("certificate was not renewed, the former one stays", "file", c.files.Cert, "err", err)
	}
}

// Server is the configuration of a port: a mutual one refuses who shows no certificate of the
// authority.
func (c *Certificate) Server() *tls.Config {
	t := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &c.now.Load().pair, nil },
	}
	if !c.Mutual() {
		return t
	}
	t.MinVersion = tls.VersionTLS13 // all nodes are ours
	t.ClientAuth = tls.RequireAnyClientCert
	t.VerifyConnection = c.verify(x509.ExtKeyUsageClientAuth)
	// A ticket would carry the certificate of its day over a renewal.
	t.SessionTicketsDisabled = true
	return t
}

// Client is the configuration of a connection to another node, for a mutual certificate.
func (c *Certificate) Client() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &c.now.Load().pair, nil
		},
		InsecureSkipVerify: true, // of the name alone: VerifyConnection checks the rest
		VerifyConnection:   c.verify(x509.ExtKeyUsageServerAuth),
	}
}

// verify checks the other side's certificate against the authority as it is now.
func (c *Certificate) verify(usage x509.ExtKeyUsage) func(tls.ConnectionState) error {
	return func(s tls.ConnectionState) error { return c.now.Load().check(s.PeerCertificates, usage) }
}
