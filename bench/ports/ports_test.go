package ports

import (
	"errors"
	"net"
	"net/netip"
	"os/exec"
	"sync"
	"syscall"
	"testing"
)

func kept(t *testing.T) *Port {
	t.Helper()
	p, err := Keep(Loopback)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// A program listens, ends and listens again, with its connections of before still in TIME_WAIT.
func TestListens(t *testing.T) {
	p := kept(t)
	for range 3 {
		l, err := net.Listen("tcp", p.Address())
		if err != nil {
			t.Fatal(err)
		}
		c, err := net.Dial("tcp", p.Address())
		if err != nil {
			t.Fatal(err)
		}
		near, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_ = near.Close() // the server first: TIME_WAIT is on its side
		_ = c.Close()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if u, err := net.ListenPacket("udp", p.Address()); err != nil {
		t.Error(err)
	} else {
		_ = u.Close()
	}
}

// Nobody listens where a port is merely kept.
func TestNobodyAnswers(t *testing.T) {
	if c, err := net.Dial("tcp", kept(t).Address()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%v, %v", c, err)
	}
}

// Nobody else keeps it, and a client that wants this very port does not get it, before, while and
// after a program listens.
func TestKept(t *testing.T) {
	p := kept(t)
	other := func(when string) {
		t.Helper()
		if _, err := keep(netip.MustParseAddrPort(p.Address())); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("%s: kept twice: %v", when, err)
		}
		from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(Loopback), Port: p.Number()}}
		if c, err := from.Dial("tcp", kept(t).Address()); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("%s: %v, %v", when, c, err)
		}
	}
	other("before")
	l, err := net.Listen("tcp", p.Address())
	if err != nil {
		t.Fatal(err)
	}
	other("while")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	other("after")
}

func TestUDPHasIt(t *testing.T) {
	u, err := net.ListenPacket("udp", Loopback+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	if _, err := keep(netip.MustParseAddrPort(u.LocalAddr().String())); !errors.Is(err, syscall.EADDRINUSE) {
		t.Error(err)
	}
}

// Children that are forked meanwhile hold nothing that stands in a program's way.
func TestForks(t *testing.T) {
	stop := make(chan struct{})
	var forking sync.WaitGroup
	for range 2 {
		forking.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := exec.Command("true").Run(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 2000 {
		p, err := Keep(Loopback)
		if err != nil {
			t.Error(err)
			break
		}
		l, err := net.Listen("tcp", p.Address())
		if err == nil {
			err = l.Close()
		}
		var u net.PacketConn
		if err == nil {
			u, err = net.ListenPacket("udp", p.Address())
		}
		if err == nil {
			err = u.Close()
		}
		p.Close()
		if err != nil {
			t.Error(err)
			break
		}
	}
	close(stop)
	forking.Wait()
}

func TestRefused(t *testing.T) {
	for _, host := range []string{"", "localhost", "2001:db8::1", "192.0.2.1"} {
		if p, err := Keep(host); err == nil {
			t.Errorf("%s: %v", host, p)
			p.Close()
		}
	}
}

// A port of an IPv6 address is kept as well.
func TestFaultF4KeepsIPv6(t *testing.T) {
	p, err := Keep("::1")
	if errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) {
		t.Skip("this machine has no IPv6: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	l, err := net.Listen("tcp", p.Address())
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
}
