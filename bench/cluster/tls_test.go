package cluster_test

import (
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"session-manager/bench/ca"
	"session-manager/bench/cluster"
)

// The peer ports have TLS with certificates on both sides: requests go round, an owner's end is
// seen, a stranger is refused, and a renewal is noticed by nodes that run on.
func TestPeersByTLS(t *testing.T) {
	a := ca.New(t)
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	a.Issue(cert, key, time.Hour)
	w := begin(t, 6, cluster.Options{Nodes: 3, Store: cluster.Postgres, NodeArgs: []string{
		"--rebalance-rate", "0", // owners stay
		"--peer-tls-cert-file", cert, "--peer-tls-key-file", key, "--peer-tls-ca-file", a.File}})

	for _, c := range w.clientes {
		owner := w.owner(c)
		for _, n := range w.Nodes() {
			sent := w.send(n.Client(), c, "by "+n.Name())
			if sent.Owner != owner.Name() {
				t.Errorf("cliente %s by %s was served by %s, want %s", c, n.Name(), sent.Owner, owner.Name())
			}
		}
		w.arrivedOnce(c, "by node1", "by node2", "by node3")
	}

	// peer calls a peer port as somebody with these certificates would.
	peer := func(n *cluster.Node, certificates ...tls.Certificate) (code int, serial *big.Int, err error) {
		client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
			TLSClientConfig: &tls.Config{RootCAs: a.Pool(), Certificates: certificates, MinVersion: tls.VersionTLS13}}}
		answer, err := client.Get(strings.Replace(n.PeerURL(), "http://", "https://", 1) + "/readyz")
		if err != nil {
			return 0, nil, err
		}
		defer answer.Body.Close()
		return answer.StatusCode, answer.TLS.PeerCertificates[0].SerialNumber, nil
	}
	pair := func(a *ca.Authority) tls.Certificate {
		cert, key := filepath.Join(dir, "caller"), filepath.Join(dir, "caller-key")
		a.Issue(cert, key, time.Hour, x509.ExtKeyUsageClientAuth)
		loaded, err := tls.LoadX509KeyPair(cert, key)
		w.must(err)
		return loaded
	}
	n := w.Nodes()[0]
	// A certificate of the authority lets a caller speak, and no more: nodes know a secret besides.
	if code, _, err := peer(n, pair(a)); code != http.StatusForbidden {
		t.Errorf("a certificate of the authority: %d, %v", code, err)
	}
	if _, _, err := peer(n); err == nil {
		t.Error("a caller without a certificate was served")
	}
	if _, _, err := peer(n, pair(ca.New(t))); err == nil {
		t.Error("a caller with a certificate of another authority was served")
	}
	if answer, err := http.Get(n.PeerURL() + "/readyz"); err == nil {
		answer.Body.Close()
		t.Errorf("plain HTTP was served: %s", answer.Status)
	}

	serial := a.Issue(cert, key, time.Hour)
	mine := pair(a)
	begun := time.Now()
	for _, n := range w.Nodes() {
		for {
			_, shown, err := peer(n, mine)
			w.must(err)
			if shown.Cmp(serial) == 0 {
				break
			}
			if time.Since(begun) > 10*time.Second {
				t.Fatalf("%s has not noticed the renewal", n.Name())
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	t.Logf("all nodes show the renewed certificate after %v", time.Since(begun).Round(time.Millisecond))

	victim := w.owner(w.clientes[0])
	its := w.ownedBy(victim)
	victim.Kill()
	w.back(its, victim, moveLimit)
	seen := false
	for _, n := range w.Nodes() {
		log, err := os.ReadFile(n.LogPath())
		w.must(err)
		seen = seen || n != victim && strings.Contains(string(log), "a node's process has ended")
	}
	if !seen {
		t.Error("no node has seen the end by its standing connection")
	}
	for _, c := range its {
		w.send(w.Client(victim), c, "after the failover")
		w.arrivedOnce(c, "after the failover")
	}

	leaver := w.owner(w.clientes[0])
	begun = time.Now()
	code, err := leaver.Terminate(within(t, 20*time.Second))
	w.must(err)
	if code != 0 {
		t.Errorf("%s ended with code %d", leaver.Name(), code)
	}
	t.Logf("%s left within %v", leaver.Name(), time.Since(begun).Round(time.Millisecond))
	w.clean(0)
}
