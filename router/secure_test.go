package router

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"session-manager/bench/ca"
	"session-manager/router/api"
)

// side is what one node shows and checks, made anew with every call.
type side struct{ server, client *tls.Config }

// sideOf is a node with a certificate of one authority that believes in another.
func sideOf(t *testing.T, issuer, believed *ca.Authority) side {
	t.Helper()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	issuer.Issue(cert, key, time.Hour)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	check := func(usage x509.ExtKeyUsage) func(tls.ConnectionState) error {
		return func(s tls.ConnectionState) error {
			_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: believed.Pool(), KeyUsages: []x509.ExtKeyUsage{usage}})
			return err
		}
	}
	return side{
		server: &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAnyClientCert,
			VerifyConnection: check(x509.ExtKeyUsageClientAuth)},
		client: &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}, InsecureSkipVerify: true,
			VerifyConnection: check(x509.ExtKeyUsageServerAuth)},
	}
}

// secureOwner is a router that owns cliente 51, with TLS on its peer port.
func secureOwner(t *testing.T, s side) *running {
	w := newWorld()
	w.session = newFakeSession(api.Snapshot{State: api.Ready})
	w.at[51] = Location{Owner: "n2", Mine: true}
	return startSecure(t, w, func(c *Config) { c.Node, c.Incarnation = "n2", "i2" }, s.server)
}

func TestForwardByTLS(t *testing.T) {
	a, b := ca.New(t), ca.New(t)
	two, plain := secureOwner(t, sideOf(t, a, a)), owner(t, nil)
	t.Cleanup(func() {
		if sent := len(two.world.session.(*fakeSession).messages()); sent != 1 {
			t.Errorf("%d messages were sent, want that of the one who may", sent)
		}
	})
	for name, row := range map[string]struct {
		to     string
		client *tls.Config // nil: plain
		code   int
		lost   bool // or it looks as if bytes of the request had been read: 504
	}{
		"both of one authority":                   {two.peer, sideOf(t, a, a).client, 200, false},
		"the client's of another":                 {two.peer, sideOf(t, b, a).client, 503, true},
		"the client believes in another":          {two.peer, sideOf(t, a, b).client, 503, false},
		"the client has none":                     {two.peer, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}, 503, true},
		"a plain client":                          {two.peer, nil, 503, true},
		"a plain port":                            {plain.peer, sideOf(t, a, a).client, 503, false},
		"nobody there":                            {"127.0.0.1:1", sideOf(t, a, a).client, 503, false},
		"a port that accepts and says not a word": {mute(t), sideOf(t, a, a).client, 503, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // those that are refused wait for what may come
			one := start(t, elsewhere(row.to), func(c *Config) { c.PeerTLS, c.Limits.Answer = row.client, 5*time.Second })
			got := ask(t, "POST", "http://"+one.public+"/send", body, cliente)
			if got.code != row.code && !(row.lost && got.code == 504) {
				t.Errorf("%d %s; want %d", got.code, got.body, row.code)
			}
			// 503 is a promise that nothing was done; and whoever reads it learns what is wrong.
			if got.code == 503 && !strings.Contains(got.body, "OWNER_UNAVAILABLE") {
				t.Errorf("%s", got.body)
			}
		})
	}
}

// mute is a port that accepts connections and does nothing with them.
func mute(t *testing.T) string {
	t.Helper()
	address, _ := stub(t, silence)
	return address
}

// A server's refusal of our certificate is known for what it is, though it comes after our
// handshake: by its alert.
func TestRefusalIsNoLostRequest(t *testing.T) {
	a, b := ca.New(t), ca.New(t)
	conn, err := net.Dial("tcp", secureOwner(t, sideOf(t, a, a)).peer)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	secure, err := Secured(t.Context(), conn, sideOf(t, b, a).client)
	if err == nil {
		_, err = secure.Read(make([]byte, 1))
	}
	if err == nil || !insecure(err) {
		t.Errorf("%v (%T) counts as a lost request", err, err)
	}
	if insecure(io.EOF) || insecure(&net.OpError{Op: "read", Err: io.EOF}) {
		t.Error("a lost connection counts as a refusal")
	}
}

// A standing connection stands by TLS too, and ends with the router.
func TestStandingByTLS(t *testing.T) {
	a := ca.New(t)
	two := secureOwner(t, sideOf(t, a, a))
	raw, err := net.Dial("tcp", two.peer)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := Secured(t.Context(), raw, sideOf(t, a, a).client)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET "+StandingPath+" HTTP/1.1\r\nHost: x\r\n\r\n")
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil || response.StatusCode != 200 || response.Header.Get(HeaderIncarnation) != "i2" {
		t.Fatalf("%+v, %v", response, err)
	}
	ended := make(chan error, 1)
	go func() { _, err := reader.ReadByte(); ended <- err }()
	select {
	case err := <-ended:
		t.Fatalf("it does not stand: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	two.standing.close()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("a byte came")
		}
	case <-time.After(20 * time.Second):
		t.Error("it outlived its router")
	}
}
