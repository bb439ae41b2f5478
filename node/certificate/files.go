package certificate

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

var (
	// ErrNoAuthority: the file of the authority holds no certificate.
	ErrNoAuthority = errors.New("no certificate in the authority's file")
	// ErrNotShown: the other side has shown no certificate.
	ErrNotShown = errors.New("no certificate was shown")
)

// Files are paths of PEM files.
type Files struct {
	Cert string // the certificate, followed by those that link it to its authority
	Key  string // of Cert
	CA   string // one authority or several, of the other side's certificates; "": one-sided
}

// content is what the files held when they were read last.
type content struct {
	pair tls.Certificate
	ca   *x509.CertPool // nil: one-sided
	sum  [sha256.Size]byte
}

// load reads and checks the files. Where they cannot be used, the content has their sum alone,
// so that who tries again can tell whether it is the same trouble.
func load(f Files) (*content, error) {
	var texts [3][]byte
	for i, path := range []string{f.Cert, f.Key, f.CA} {
		if path == "" {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return &content{sum: sha256.Sum256([]byte(err.Error()))}, err
		}
		texts[i] = text
	}
	c := &content{sum: sha256.Sum256(bytes.Join(texts[:], []byte{0}))}
	var err error
	if c.pair, err = tls.X509KeyPair(texts[0], texts[1]); err != nil {
		return c, fmt.Errorf("%s with %s: %w", f.Cert, f.Key, err)
	}
	if f.CA == "" {
		return c, nil
	}
	c.ca = x509.NewCertPool()
	if !c.ca.AppendCertsFromPEM(texts[2]) {
		return c, fmt.Errorf("%s: %w", f.CA, ErrNoAuthority)
	}
	// What no other node would accept is better noticed here than by all of them. Every node
	// both dials and is dialled.
	chain := []*x509.Certificate{c.pair.Leaf}
	for _, der := range c.pair.Certificate[1:] {
		link, err := x509.ParseCertificate(der)
		if err != nil {
			return c, fmt.Errorf("%s: %w", f.Cert, err)
		}
		chain = append(chain, link)
	}
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		if err := c.check(chain, usage); err != nil {
			return c, fmt.Errorf("%s against %s: %w", f.Cert, f.CA, err)
		}
	}
	return c, nil
}

// check says whether the first certificate of the chain comes from the authority, for that usage.
func (c *content) check(chain []*x509.Certificate, usage x509.ExtKeyUsage) error {
	if len(chain) == 0 {
		return ErrNotShown
	}
	links := x509.NewCertPool()
	for _, link := range chain[1:] {
		links.AddCert(link)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: c.ca, Intermediates: links, KeyUsages: []x509.ExtKeyUsage{usage}})
	return err
}
