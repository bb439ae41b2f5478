package cluster

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports are taken from below the range that the kernel gives to outgoing connections (32768
// and up): a process that is down for a restart would else find its port used by a client.
const (
	lowestPort  = 12000
	highestPort = 32000
	portTries   = 200
)

var errNoPort = errors.New("no free port on loopback")

const loopbackHost = "127.0.0.1"

// freeAddr is an address of the host on whose port nobody listens here, by TCP or UDP, and
// which was not given out before: what a restart comes back to must not be somebody else's by
// then.
func (c *Cluster) freeAddr(host string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range portTries {
		port := lowestPort + rand.IntN(highestPort-lowestPort)
		if c.given[port] || !isFree(port) {
			continue
		}
		c.given[port] = true
		return net.JoinHostPort(host, strconv.Itoa(port)), nil
	}
	return "", errNoPort
}

func isFree(port int) bool {
	l, err := net.Listen("tcp", loopback(port))
	if err != nil {
		return false
	}
	defer l.Close()
	u, err := net.ListenPacket("udp", loopback(port))
	if err != nil {
		return false
	}
	return u.Close() == nil
}

func loopback(port int) string { return net.JoinHostPort(loopbackHost, strconv.Itoa(port)) }
