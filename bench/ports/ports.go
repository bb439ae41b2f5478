// Package ports keeps ports for programs that are told where to listen.
//
// To look for a free port by listening on it, and to close that again, keeps nothing: anybody may
// take the port until the program does, and a child that is forked meanwhile holds the listener
// open until it runs its own program (up to 20 ms were seen). A port is kept here by a socket that
// is bound and never listens. With SO_REUSEADDR, which servers set and clients do not, Linux lets a
// program listen where such a socket is bound; it gives the port to no outgoing connection, to
// nobody who asks for any port, and to nobody else who keeps one in this way.
package ports

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Loopback is the host of whatever needs no other.
const Loopback = "127.0.0.1"

// Ports are taken from below the range from which the kernel serves who asks for any port (32768
// and up): UDP, where gossip listens too, has nothing that keeps a port.
const (
	lowest  = 12000
	highest = 32000
	tries   = 200
)

// ErrNone: none of many ports was free.
var ErrNone = errors.New("no free port")

// Port is one that is kept until Close.
type Port struct {
	address netip.AddrPort
	socket  *os.File
}

// Keep keeps a port of the host, an address of this machine, on which nobody listens by TCP
// or UDP. A program with SO_REUSEADDR may listen on it, end and listen again.
func Keep(host string) (*Port, error) {
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return nil, fmt.Errorf("keep a port of %q: want an address: %w", host, err)
	}
	for range tries {
		p, err := keep(netip.AddrPortFrom(ip, uint16(lowest+rand.IntN(highest-lowest))))
		if !errors.Is(err, unix.EADDRINUSE) {
			return p, err
		}
	}
	return nil, fmt.Errorf("%w on %s", ErrNone, host)
}

// keep keeps this port. EADDRINUSE: somebody has it.
func keep(address netip.AddrPort) (*Port, error) {
	socket, err := bound(unix.SOCK_STREAM, address)
	if err != nil {
		return nil, err
	}
	p := &Port{address: address, socket: os.NewFile(uintptr(socket), "port")}
	// After bind, which else would not mind another who keeps the port.
	err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
	if err == nil {
		err = freeOfUDP(address)
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func freeOfUDP(address netip.AddrPort) error {
	syscall.ForkLock.RLock() // no child of ours is to hold the socket open
	defer syscall.ForkLock.RUnlock()
	socket, err := bound(unix.SOCK_DGRAM, address)
	if err != nil {
		return err
	}
	return os.NewSyscallError("close", unix.Close(socket))
}

func bound(kind int, address netip.AddrPort) (socket int, err error) {
	family, to := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: int(address.Port()), Addr: address.Addr().As16()})
	if address.Addr().Is4() {
		family, to = unix.AF_INET, &unix.SockaddrInet4{Port: int(address.Port()), Addr: address.Addr().As4()}
	}
	socket, err = unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, os.NewSyscallError("socket", err)
	}
	if err := unix.Bind(socket, to); err != nil {
		_ = unix.Close(socket) // nothing went through it
		return 0, os.NewSyscallError("bind", err)
	}
	return socket, nil
}

// Number is the port's, 12000 to 31999.
func (p *Port) Number() int { return int(p.address.Port()) }

// Address is host:port.
func (p *Port) Address() string { return p.address.String() }

// Close lets anybody have the port. A second call does nothing.
func (p *Port) Close() { _ = p.socket.Close() } // nothing went through it
