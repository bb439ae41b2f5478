package gossip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/hashicorp/memberlist"
)

// secretSize is AES-256's. Memberlist would take 16 and 24 bytes too.
const secretSize = 32

// resolveTimeout bounds looking up one host name.
const resolveTimeout = 5 * time.Second

// Config says who gossips where.
type Config struct {
	Name string // unique in the cluster, stable across restarts
	Bind string // host:port, UDP and TCP; port 0: any free one
	// Advertise is the host:port that others dial; port 0: the one that was bound. "": the
	// address that was bound; where that is 0.0.0.0, this machine's first private address.
	Advertise string
	Secrets   [][]byte        // 32 bytes each (AES-256): the first encrypts, all of them decrypt; none: not encrypted, anyone may join
	Seeds     func() []string // the other nodes' addresses as known elsewhere; called every 10 s
	Log       *slog.Logger
}

// memberlist is the configuration of the library, but for who is told of events.
func (c Config) memberlist() (*memberlist.Config, error) {
	if c.Name == "" {
		return nil, errors.New("gossip: the node's name is empty")
	}
	for _, secret := range c.Secrets {
		if len(secret) != secretSize {
			return nil, fmt.Errorf("gossip: the secret has %d bytes, must have %d", len(secret), secretSize)
		}
	}
	mc := memberlist.DefaultLANConfig()
	mc.Name = c.Name
	if len(c.Secrets) > 0 {
		ring, err := memberlist.NewKeyring(c.Secrets, c.Secrets[0])
		if err != nil {
			return nil, fmt.Errorf("gossip: %w", err)
		}
		mc.Keyring = ring
	}
	if err := c.addresses(mc); err != nil {
		return nil, err
	}

	// A crash is noticed at the next probe (0-0.5 s, more while others come first), its
	// timeout (0.5 s, with indirect probes) and the suspicion (1.5 s): 2.3-3.6 s measured.
	// With LAN defaults it is 5.4-7.6 s, longer than the lease of the dead node lasts.
	mc.ProbeInterval = 500 * time.Millisecond
	mc.ProbeTimeout = 250 * time.Millisecond // of the direct ping: 100 times a round trip of a data centre
	mc.SuspicionMult = 3                     // suspect a node for 3 * max(1, log10(N)) * ProbeInterval, 1.5 s for up to 10 nodes
	mc.AwarenessMaxMultiplier = 4            // a node that is slow itself probes up to 4 times as patiently, 2 s; 8 would be 4 s
	mc.GossipInterval = 100 * time.Millisecond
	mc.PushPullInterval = 5 * time.Second     // heals what gossip lost, such as the news of a node that restarted elsewhere
	mc.TCPTimeout = 2 * time.Second           // a seed that does not answer must not hold up the others
	mc.DeadNodeReclaimTime = time.Millisecond // a node that restarts on another address takes its name back once it was found dead; 0 is never
	mc.DNSConfigPath = ""                     // seeds are addresses

	mc.LogOutput = logWriter{c.Log}
	return mc, nil
}

func (c Config) addresses(mc *memberlist.Config) error {
	var err error
	if mc.BindAddr, mc.BindPort, err = resolve(c.Bind); err != nil {
		return fmt.Errorf("gossip address %q: %w", c.Bind, err)
	}
	mc.AdvertisePort = mc.BindPort
	if c.Advertise == "" {
		if net.ParseIP(mc.BindAddr).IsUnspecified() && mc.BindAddr != "0.0.0.0" {
			return fmt.Errorf("gossip address %q is all of this machine's: say which one others dial", c.Bind)
		}
		return nil
	}
	host, port, err := resolve(c.Advertise)
	switch {
	case err != nil:
		return fmt.Errorf("advertised gossip address %q: %w", c.Advertise, err)
	case net.ParseIP(host).IsUnspecified():
		return fmt.Errorf("advertised gossip address %q: nobody can dial it", c.Advertise)
	case port != 0 && mc.BindPort == 0:
		return fmt.Errorf("advertised gossip address %q names a port, but %q binds any free one", c.Advertise, c.Bind)
	case port != 0:
		mc.AdvertisePort = port
	}
	mc.AdvertiseAddr = host
	return nil
}

// resolve splits host:port and looks up a host name, for memberlist takes IP addresses only.
// No host is every IPv4 address.
func resolve(address string) (ip string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	number, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("port %q is not a number from 0 to 65535", text)
	}
	switch {
	case host == "":
		return "0.0.0.0", int(number), nil
	case net.ParseIP(host) != nil:
		return host, int(number), nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), resolveTimeout)
	defer cancel()
	ips, err := net.DefaultResolver.LookupIP(ctx, "ip4", host)
	if err != nil {
		return "", 0, err
	}
	return ips[0].String(), int(number), nil
}
