package node

import (
	"fmt"
	"log/slog"
	"strings"
	"syscall"

	"session-manager/node/entrance"
)

// descriptors are how a node divides what it may open (ulimit -n): callers never take what etcd, the
// store, other nodes and the sessions' own sockets need.
type descriptors struct {
	limit    int // files that the process may open
	public   int // connections of callers
	trusted  int
	profiles int
	peers    int // connections of other nodes, and as many to them
	sessions int // one socket each
	store    int // connections to Postgres
}

const (
	mostFiles  = 1 << 20 // of what a node makes use
	fewFiles   = 4096    // below which a node warns
	ownFiles   = 24      // logs, listeners, gossip, locks, name servers being asked
	etcdFiles  = 4
	etcdsFiles = 12 // of an etcd in this process
	fileStore  = 8  // SQLite's
	pollFiles  = 4  // connections to Postgres for when etcd is away
)

// openFiles is how many files this process may open.
func openFiles() int {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil || r.Cur > mostFiles {
		return mostFiles
	}
	return int(r.Cur)
}

// divide is the division of a limit.
func divide(limit int, o Options) descriptors {
	d := descriptors{limit: limit, profiles: 8}
	own := ownFiles
	if strings.HasPrefix(o.Store, "sqlite:") {
		own += fileStore
	} else {
		d.store = min(max(o.StoreConnections, 2), max(limit/16, 2))
		own += d.store + pollFiles
	}
	if own += etcdFiles; len(o.Etcd.Endpoints) == 0 {
		own += etcdsFiles
	}
	rest := max(limit-own, 16)
	d.public = max(rest/6, 4)
	if limit >= 1024 {
		d.public = rest / 4
	}
	if o.MaxConnections > 0 {
		d.public = min(o.MaxConnections, max(rest/2, 4))
	}
	d.peers = max(rest/32, 3)
	left := rest - d.public - 2*d.peers
	if o.TrustedListen != "" {
		d.trusted = max(d.public/2, 2)
		left -= d.trusted
	}
	if o.ProfileListen != "" {
		left -= d.profiles
	}
	d.sessions = max(left, 1)
	return d
}

// warn tells an operator of a limit that will be met.
func (d descriptors) warn(log *slog.Logger) {
	if d.limit < fewFiles {
		log.Warn("few files may be opened: raise the limit (ulimit -n, LimitNOFILE) for more sessions and callers",
			"limit", d.limit, "sessions", d.sessions, "callers", d.public, "store_connections", d.store)
	}
}

// errNoFiles: another session would take a descriptor that something else needs.
func (d descriptors) errNoFiles() error {
	return fmt.Errorf("this node has as many sessions as its limit of open files allows, %d: raise it (ulimit -n, LimitNOFILE) or add nodes", d.sessions)
}

// bounds are those of a port.
func (o Options) bounds(most int, secret bool) entrance.Bounds {
	perSource := o.MaxConnectionsPerSource
	if perSource == 0 {
		perSource = max(most*7/8, 1) // a load balancer is one source, and all the callers there are
	}
	return entrance.Bounds{Most: most, PerSource: perSource, Secret: secret}
}
