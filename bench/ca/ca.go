// Package ca is a throw-away certificate authority: tests give the nodes certificates
// of it, as an operator would.
package ca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority issues certificates. Its own is in File.
type Authority struct {
	File string // PEM

	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// New makes an authority whose certificate is in a temporary directory of the test.
func New(t *testing.T) *Authority {
	t.Helper()
	a := &Authority{t: t, File: filepath.Join(t.TempDir(), "ca.pem")}
	a.key = a.newKey()
	template := a.template(time.Hour)
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	template.Subject = pkix.Name{CommonName: "authority of a test"}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	a.must(err)
	a.cert, err = x509.ParseCertificate(der)
	a.must(err)
	a.write(a.File, "CERTIFICATE", der)
	return a
}

// Issue writes a certificate for a node on loopback and its key to the two files. It is good
// for so long from now on; where that is negative, it has expired. Usages default to both
// sides of a connection. It returns the serial number.
func (a *Authority) Issue(cert, key string, lifetime time.Duration, usages ...x509.ExtKeyUsage) *big.Int {
	a.t.Helper()
	if len(usages) == 0 {
		usages = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	}
	template := a.template(lifetime)
	template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageDigitalSignature, usages
	template.IPAddresses, template.DNSNames = []net.IP{net.IPv4(127, 0, 0, 1)}, []string{"localhost"}
	private := a.newKey()
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, private.Public(), a.key)
	a.must(err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	a.must(err)
	a.write(key, "PRIVATE KEY", pkcs8)
	a.write(cert, "CERTIFICATE", der)
	return template.SerialNumber
}

// Pool holds the authority alone.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

func (a *Authority) template(lifetime time.Duration) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	a.must(err)
	now := time.Now()
	return &x509.Certificate{SerialNumber: serial, NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(lifetime)}
}

func (a *Authority) newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	a.must(err)
	return key
}

// write replaces the file in one step, as those who renew certificates do.
func (a *Authority) write(path, kind string, der []byte) {
	a.t.Helper()
	var text bytes.Buffer
	a.must(pem.Encode(&text, &pem.Block{Type: kind, Bytes: der}))
	a.must(os.WriteFile(path+".new", text.Bytes(), 0o600))
	a.must(os.Rename(path+".new", path))
}

func (a *Authority) must(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}
