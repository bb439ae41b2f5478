package node

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"session-manager/node/certificate"
	"session-manager/node/ownership"
	"session-manager/router/peer"
)

// Options say what a node is. Run refuses what is missing; the flags of cmd/session-manager
// describe each field to an operator.
type Options struct {
	Name            string // stable across restarts, unique in the cluster
	Listen          string // public HTTP, host:port
	TrustedListen   string // the same for callers who need no API key, and never with TLS; "": none
	ProfileListen   string // Go's profiles, a loopback host:port; "": none
	PeerListen      string // node-to-node HTTP, host:port
	PeerAdvertise   string // what other nodes dial; "": the address that PeerListen got
	GossipListen    string // memberlist, UDP and TCP, host:port
	GossipAdvertise string // what other nodes dial; "": the address that GossipListen got

	Data  string // directory of this node's files
	Store string // postgres://... or sqlite:FILE; "": sqlite in Data
	Etcd  Etcd

	StorePasswordFile string // of Postgres; read for each connection. "": the password is in Store

	StoreConnections int // to Postgres, for statements; 0: 16

	MaxConnections          int // of callers at Listen; 0: a quarter of the files that may be opened
	MaxConnectionsPerSource int // of one address at Listen, and at TrustedListen; 0: seven eighths of all

	// Secrets are the cluster's, which encrypts gossip and authenticates peers, and one that is taken too; 32 bytes
	// each. None: with an etcd in this process one is made in Data, else the nodes agree on one in etcd, which
	// authenticates peers alone.
	Secrets [][]byte

	// DefaultCliente is meant by requests of callers that name no cliente; 0: they are refused.
	DefaultCliente ownership.Cliente

	AllowedHosts []string // names by which ports without keys may be called, beside addresses and names without a dot
	CORSOrigins  []string // origins whose pages may call

	APIKeysFile string // keys that callers of Listen must show; "": none

	TLS     *certificate.Certificate // of Listen; nil: plain HTTP
	PeerTLS *certificate.Certificate // of PeerListen and of connections to other nodes, mutual; nil: plain

	WhatsAppEndpoint string // ws://host:port/ws/chat of an emulator; "": the real WhatsApp
	WhatsAppRootKey  []byte // 32 bytes, the emulator's
	DeviceName       string // what the phone shows under "linked devices"

	Timing       ownership.Timing
	DrainTimeout time.Duration // after which a draining node stops what it still holds
	DrainGrace   time.Duration // for which a draining node serves at least: load balancers notice meanwhile
	StartRate    int           // sessions started a second; 0: unlimited
	// RebalanceRate is how many clientes a second this node hands over to where the ring
	// places them; 0: none, they stay where they are.
	RebalanceRate int
	// MaxUnpaired is how many clientes that are not paired this node keeps at a time; 0: any number.
	MaxUnpaired int
	// Retention is how long an idempotency key is remembered after its last use; 0: for ever.
	Retention time.Duration
	Version   string // of the program
	// Judge is the command that judges a crash of this process as soon as it has ended, before another
	// node has taken its clientes over (package crash); nil: crashes are not reported. It is for a process
	// that runs one node.
	Judge []string

	Ready func(Addresses) // called once, when the node serves and owns a lease
	Exit  func(code int)  // ends the process when sessions do not end; nil: os.Exit
	Log   *slog.Logger    // nil: discard; it must not make its callers wait

	Hangup      <-chan struct{}          // "read your files again"; nil: nobody says so
	ReadSecrets func() ([][]byte, error) // Secrets as they are now; nil: they stay

	Collectors []prometheus.Collector // shown on /metrics beside the node's own
}

// Etcd says where the authority is. No Endpoints: one is embedded in this process.
type Etcd struct {
	Endpoints    []string
	Prefix       string // of every key, with a slash at its end
	TLS          *tls.Config
	Username     string
	PasswordFile string // of Username; read again at each login
}

// ExitStuck is the exit code of a process whose sessions did not end with their lease.
const ExitStuck = 3

// Addresses are those that a node really listens on.
type Addresses struct{ Node, Public, Peer, Gossip string }

func (a Addresses) String() string {
	return fmt.Sprintf("ready listen=%s peer=%s gossip=%s node=%s", a.Public, a.Peer, a.Gossip, a.Node)
}

func (o *Options) complete() error {
	switch {
	case o.Name == "":
		return errors.New("node name is empty")
	case o.Data == "":
		return errors.New("data directory is empty")
	case o.DrainTimeout <= 0:
		return fmt.Errorf("drain timeout is %v, must be positive", o.DrainTimeout)
	case o.DrainGrace < 0:
		return fmt.Errorf("drain grace is %v, must not be negative", o.DrainGrace)
	case o.StartRate < 0:
		return fmt.Errorf("start rate is %d, must not be negative", o.StartRate)
	case o.RebalanceRate < 0:
		return fmt.Errorf("rebalance rate is %d, must not be negative", o.RebalanceRate)
	case o.MaxUnpaired < 0:
		return fmt.Errorf("most unpaired clientes are %d, must not be negative", o.MaxUnpaired)
	case o.Retention < 0 || o.Retention > 0 && o.Retention < MinRetention:
		return fmt.Errorf("idempotency retention is %v, must be 0 or %v at least", o.Retention, MinRetention)
	case o.PeerTLS != nil && !o.PeerTLS.Mutual():
		return errors.New("the peer port's certificate has no authority")
	}
	for _, secret := range o.Secrets {
		if len(secret) != peer.SecretSize {
			return fmt.Errorf("cluster secret has %d bytes, must have %d", len(secret), peer.SecretSize)
		}
	}
	if err := o.Timing.Validate(); err != nil {
		return err
	}
	if o.Store == "" {
		o.Store = "sqlite:" + filepath.Join(o.Data, "store.db")
	}
	if o.StoreConnections == 0 {
		o.StoreConnections = 16
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Exit == nil {
		o.Exit = os.Exit
	}
	if o.Ready == nil {
		o.Ready = func(Addresses) {}
	}
	return nil
}
