package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"session-manager/node"
	"session-manager/node/ownership"
	"session-manager/router/keys"
)

// serveCmd holds the flags of serve.
type serveCmd struct {
	Listen          string `default:"127.0.0.1:3001" help:"Public HTTP, HOST:PORT. PORT in the environment sets the port. A non-loopback address needs --api-keys-file, or --insecure."`
	NodeName        string `default:"${hostname}" help:"Name of this node: unique in the cluster, the same at each start. Default: the host name."`
	PeerListen      string `default:"127.0.0.1:0" help:"HTTP between nodes, HOST:PORT. Port 0: any free one. A non-loopback address needs --cluster-secret-file."`
	PeerAdvertise   string `help:"HOST:PORT at which other nodes reach --peer-listen. Default: what it listens on; for 0.0.0.0, this machine's private address."`
	GossipListen    string `default:"127.0.0.1:0" help:"Membership, UDP and TCP, HOST:PORT. Port 0: any free one."`
	GossipAdvertise string `help:"HOST:PORT at which other nodes reach --gossip-listen."`

	ClusterSecretFile string   `type:"path" help:"File of 32 bytes, the same on all nodes: encrypts gossip and authenticates nodes to one another." placeholder:"FILE"`
	ClusterSecretAlso string   `type:"path" name:"cluster-secret-second-file" help:"Another secret that nodes are taken by, while the cluster's is changed: first here on all nodes, then there, then gone." placeholder:"FILE"`
	Etcd              []string `help:"etcd endpoints, separated by commas. Default: an etcd in this process, for one node alone."`
	EtcdPrefix        string   `default:"/session-manager/" help:"Prefix of all etcd keys."`
	EtcdCA            string   `type:"path" name:"etcd-ca-file" help:"Certificate authority of etcd (PEM)." placeholder:"FILE"`
	EtcdCert          string   `type:"path" name:"etcd-cert-file" help:"This node's certificate for etcd (PEM)." placeholder:"FILE"`
	EtcdKey           string   `type:"path" name:"etcd-key-file" help:"Key of --etcd-cert-file (PEM)." placeholder:"FILE"`
	EtcdUser          string   `help:"User of etcd."`
	EtcdPasswordFile  string   `type:"path" help:"File with the password of --etcd-user, read again at each login." placeholder:"FILE"`

	Store             string `help:"Credential store: postgres://USER@HOST/DATABASE or sqlite:FILE. Default: SQLite in --data."`
	StorePasswordFile string `type:"path" help:"File with the password of the role in --store, read again for each connection. Default: the password is in --store, or in a libpq passfile." placeholder:"FILE"`
	StoreConnections  int    `default:"16" help:"Connections to Postgres for this node's statements, 2 to 1000; four more are kept for when etcd is away. All nodes' together must be below Postgres's max_connections."`
	Data              string `default:"./data" help:"Directory of this node's files. One process at a time may use it."`

	WhatsappEndpoint string `help:"ws://HOST:PORT/ws/chat of an emulator. Default: the real WhatsApp."`
	WhatsappRootKey  string `help:"The emulator's root key, 64 hex digits."`
	DeviceName       string `default:"Session Manager" help:"What phones show under linked devices."`

	MaxConnections          int `help:"Connections of callers at --listen at a time; 0: a quarter of the files that this process may open (ulimit -n), or less where those are few. Who comes later waits; connections that are silent make room."`
	MaxConnectionsPerSource int `help:"The same for one address, at --listen and --trusted-listen; 0: seven eighths of all. A load balancer is one address: leave room for all its callers."`

	AllowedHost []string `help:"Names with a dot by which ports that ask for no key may be called (Host), separated by commas. Addresses and names without a dot always may: no page in a browser can make them its own."`
	CORSOrigin  []string `name:"cors-origin" help:"Origins whose pages may call this node from a browser, as https://hub.example, separated by commas."`

	TLS tlsFlags `embed:""`

	APIKeysFile   string `type:"path" name:"api-keys-file" help:"API keys that callers of --listen must show; see 'session-manager keys --help'." placeholder:"FILE"`
	TrustedListen string `help:"HOST:PORT for callers that cannot send a key: the same routes, no API key, plain HTTP. A loopback address, or one that a firewall keeps to trusted callers; never one behind a load balancer. Default: none."`
	Default       int64  `name:"default-cliente" placeholder:"N" help:"Cliente that requests without X-Cliente-Id mean, for callers who know of one account only. Default: none, such requests are refused."`
	PprofListen   string `help:"HOST:PORT for Go's profiles (net/http/pprof) at /debug/pprof/, a loopback address: no key is asked for, and the command line is shown. Default: none."`
	Insecure      bool   `help:"Allow a non-loopback --listen without API keys, a --trusted-listen on all addresses, and non-loopback peers without a cluster secret."`

	LeaseTTL     time.Duration `name:"lease-ttl" default:"5s" help:"Lease of this node at etcd, whole seconds, 5s to 60s. A node that dies is replaced after it."`
	DrainTimeout time.Duration `default:"25s" help:"How long SIGTERM may take to hand sessions over."`
	DrainGrace   time.Duration `default:"3s" help:"How long a node with others serves on after /readyz has turned 503, at least: load balancers notice meanwhile."`
	StartRate    int           `default:"100" help:"Sessions started a second; 0: unlimited."`
	Rebalance    int           `name:"rebalance-rate" default:"5" help:"Clientes a second that this node hands over to where the ring places them, idle ones first; 0: none."`
	MaxUnpaired  int           `default:"200" help:"Clientes that are not paired which this node keeps at a time; a request for a further one is answered 503. One that nobody asks for goes after 3 minutes. 0: any number."`
	Retention    time.Duration `name:"idempotency-retention" default:"168h" help:"How long an Idempotency-Key is remembered after its last use, in hours or minutes (168h is 7 days), 1h at least; 0: for ever. After that it counts as a new one."`
	LogLevel     slog.Level    `default:"info" help:"debug, info, warn or error."`
	LogFormat    string        `default:"text" enum:"text,json" help:"text or json."`
}

const (
	leastTTL = 5 * time.Second // what the other durations of ownership.DefaultTiming leave room for
	mostTTL  = 60 * time.Second
)

// Run runs a node until the signal.
func (c *serveCmd) Run(ctx context.Context, s streams) error {
	o, err := c.options(s)
	if err != nil {
		return usageError{err}
	}
	to := c.newOutput(s)
	defer to.Close()
	o.Log, o.Collectors = to.log, append(o.Collectors, to.metric())
	o.Ready = func(a node.Addresses) { fmt.Fprintln(to.out, a) }
	o.Hangup = hangups(ctx)
	if c.ClusterSecretFile != "" {
		o.ReadSecrets = c.clusterSecrets
	}
	c.warnExposed(o, os.Args, o.Log)
	o.Exit = func(code int) { to.Close(); os.Exit(code) }
	if os.Getenv("GOGC") == "" {
		boundGarbage(ctx)
	}
	if self, err := os.Executable(); err == nil { // else the next start judges
		o.Judge = []string{self, "judge", "--log-format", c.LogFormat}
	}
	return node.Run(ctx, o)
}

// options checks the flags and maps them to those of a node. Its errors name the flag.
func (c *serveCmd) options(s streams) (node.Options, error) {
	o := node.Options{
		Name: c.NodeName, Listen: c.Listen, TrustedListen: c.TrustedListen, ProfileListen: c.PprofListen, PeerListen: c.PeerListen, PeerAdvertise: c.PeerAdvertise,
		GossipListen: c.GossipListen, GossipAdvertise: c.GossipAdvertise, Data: c.Data, Store: c.Store, StorePasswordFile: c.StorePasswordFile, StoreConnections: c.StoreConnections,
		AllowedHosts: c.AllowedHost, CORSOrigins: c.CORSOrigin,
		MaxConnections: c.MaxConnections, MaxConnectionsPerSource: c.MaxConnectionsPerSource,
		Etcd:             node.Etcd{Endpoints: c.Etcd, Prefix: c.EtcdPrefix, Username: c.EtcdUser},
		WhatsAppEndpoint: c.WhatsappEndpoint, DeviceName: c.DeviceName, APIKeysFile: c.APIKeysFile,
		Timing: ownership.DefaultTiming(), DrainTimeout: c.DrainTimeout, DrainGrace: c.DrainGrace, StartRate: c.StartRate, RebalanceRate: c.Rebalance, MaxUnpaired: c.MaxUnpaired, Retention: c.Retention, Version: version,
	}
	if c.Default != 0 {
		var err error
		if o.DefaultCliente, err = ownership.ParseCliente(strconv.FormatInt(c.Default, 10)); err != nil {
			return node.Options{}, fmt.Errorf("--default-cliente: %d is not a cliente: 1 to 9007199254740991", c.Default)
		}
	}
	if port := os.Getenv("PORT"); port != "" && c.Listen == "127.0.0.1:3001" {
		o.Listen = net.JoinHostPort("127.0.0.1", port) // as the ancestor did
	}
	o.Timing.TTL = c.LeaseTTL
	for _, check := range []func(*node.Options) error{c.addresses, c.secrets, c.TLS.open, c.etcd, c.store, c.whatsapp, c.timing} {
		if err := check(&o); err != nil {
			return node.Options{}, err
		}
	}
	return o, nil
}

func (c *serveCmd) addresses(o *node.Options) error {
	for _, host := range c.AllowedHost {
		if host == "" || strings.ContainsAny(host, "*/:@ ") {
			return fmt.Errorf("--allowed-host: %q is not a name", host)
		}
	}
	for _, origin := range c.CORSOrigin {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.Scheme+"://"+u.Host != origin {
			return fmt.Errorf("--cors-origin: %q is not http://HOST[:PORT] or https://HOST[:PORT]", origin)
		}
	}
	if c.MaxConnections < 0 {
		return fmt.Errorf("--max-connections: %d is negative", c.MaxConnections)
	}
	if c.MaxConnectionsPerSource < 0 {
		return fmt.Errorf("--max-connections-per-source: %d is negative", c.MaxConnectionsPerSource)
	}
	for flag, address := range map[string]string{
		"listen": o.Listen, "trusted-listen": o.TrustedListen, "peer-listen": o.PeerListen, "gossip-listen": o.GossipListen,
		"peer-advertise": o.PeerAdvertise, "gossip-advertise": o.GossipAdvertise, "pprof-listen": o.ProfileListen,
	} {
		if address == "" {
			continue
		}
		if err := hostPort(address); err != nil {
			if flag == "listen" && os.Getenv("PORT") != "" && c.Listen != address {
				flag = "listen, by PORT in the environment"
			}
			return fmt.Errorf("--%s: %w", flag, err)
		}
	}
	if strings.TrimSpace(c.NodeName) == "" || strings.ContainsAny(c.NodeName, "/ \t\n") {
		return fmt.Errorf("--node-name: %q is empty, or has a slash or a space in it", c.NodeName)
	}
	if !loopback(o.Listen) && c.APIKeysFile == "" && !c.Insecure {
		return fmt.Errorf("--listen: %s can be reached from other machines: give --api-keys-file, or --insecure where a firewall stands between", o.Listen)
	}
	// One address is a choice of callers; all of them are whatever network comes along.
	if everywhere(o.TrustedListen) && !c.Insecure {
		return fmt.Errorf("--trusted-listen: %s is every address of this machine: name the one whose callers are trusted, or give --insecure", o.TrustedListen)
	}
	if o.ProfileListen != "" && !loopback(o.ProfileListen) {
		return fmt.Errorf("--pprof-listen: %s can be reached from other machines, and nobody is asked for a key there: name a loopback address", o.ProfileListen)
	}
	return nil
}

// hostPort refuses what is not HOST:PORT with a port that there is.
func hostPort(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil || port == "" {
		return fmt.Errorf("%q is not HOST:PORT", address)
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return fmt.Errorf("%q: port %s is not from 0 to 65535", address, port)
	}
	return nil
}

// loopback says whether only this machine reaches the address.
func loopback(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// everywhere says whether the address stands for all those of this machine.
func everywhere(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip, notIP := netip.ParseAddr(host)
	return err == nil && (host == "" || notIP == nil && ip.Unmap().IsUnspecified())
}

func (c *serveCmd) secrets(o *node.Options) error {
	if c.APIKeysFile != "" {
		if _, err := keys.Open(c.APIKeysFile); err != nil {
			return fmt.Errorf("--api-keys-file: %w", err)
		}
	}
	if c.ClusterSecretFile == "" {
		if !c.Insecure && (!loopback(o.PeerListen) || !loopback(o.GossipListen)) {
			return errors.New("--cluster-secret-file: needed where --peer-listen or --gossip-listen can be reached from other machines")
		}
		if c.ClusterSecretAlso != "" {
			return errors.New("--cluster-secret-second-file: only with --cluster-secret-file")
		}
		return nil
	}
	var err error
	o.Secrets, err = c.clusterSecrets()
	return err
}

// clusterSecrets reads the cluster's secret, and the second one where there is one.
func (c *serveCmd) clusterSecrets() ([][]byte, error) {
	var secrets [][]byte
	for _, f := range []flag{{"--cluster-secret-file", c.ClusterSecretFile}, {"--cluster-secret-second-file", c.ClusterSecretAlso}} {
		if f.value == "" {
			continue
		}
		secret, err := os.ReadFile(f.value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		if len(secret) != 32 {
			return nil, fmt.Errorf("%s: %s has %d bytes, want 32 (head -c 32 /dev/urandom)", f.name, f.value, len(secret))
		}
		secrets = append(secrets, secret)
	}
	return secrets, nil
}

func (c *serveCmd) etcd(o *node.Options) error {
	for _, endpoint := range c.Etcd {
		address := strings.TrimPrefix(strings.TrimPrefix(endpoint, "https://"), "http://")
		if strings.Contains(address, "/") {
			return fmt.Errorf("--etcd: %q is not http://HOST:PORT", endpoint)
		}
		if err := hostPort(address); err != nil {
			return fmt.Errorf("--etcd: want http://HOST:PORT: %w", err)
		}
	}
	if !strings.HasSuffix(c.EtcdPrefix, "/") {
		return fmt.Errorf("--etcd-prefix: %q does not end with a slash", c.EtcdPrefix)
	}
	if (c.EtcdUser == "") != (c.EtcdPasswordFile == "") {
		return errors.New("--etcd-user, --etcd-password-file: one is needed with the other")
	}
	if err := together([]flag{{"--etcd-cert-file", c.EtcdCert}, {"--etcd-key-file", c.EtcdKey}}); err != nil {
		return err
	}
	if len(c.Etcd) == 0 && (c.EtcdUser != "" || c.EtcdCA != "" || c.EtcdCert != "") {
		return errors.New("--etcd: needed with --etcd-user, --etcd-ca-file and --etcd-cert-file")
	}
	if c.EtcdPasswordFile != "" {
		_, err := os.ReadFile(c.EtcdPasswordFile)
		if err != nil {
			return fmt.Errorf("--etcd-password-file: %w", err)
		}
		o.Etcd.PasswordFile = c.EtcdPasswordFile
	}
	if c.EtcdCA == "" && c.EtcdCert == "" {
		return nil
	}
	o.Etcd.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	if c.EtcdCA != "" {
		pem, err := os.ReadFile(c.EtcdCA)
		if err != nil {
			return fmt.Errorf("--etcd-ca-file: %w", err)
		}
		o.Etcd.TLS.RootCAs = x509.NewCertPool()
		if !o.Etcd.TLS.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("--etcd-ca-file: %s holds no certificate", c.EtcdCA)
		}
	}
	if c.EtcdCert != "" {
		pair, err := tls.LoadX509KeyPair(c.EtcdCert, c.EtcdKey)
		if err != nil {
			return fmt.Errorf("--etcd-cert-file: %w", err)
		}
		o.Etcd.TLS.Certificates = []tls.Certificate{pair}
	}
	return nil
}

func (c *serveCmd) store(*node.Options) error {
	if c.StoreConnections < 2 || c.StoreConnections > 1000 {
		return fmt.Errorf("--store-connections: %d is not from 2 to 1000", c.StoreConnections)
	}
	if c.StorePasswordFile != "" {
		if !strings.HasPrefix(c.Store, "postgres") {
			return errors.New("--store-password-file: only with --store postgres://USER@HOST/DATABASE")
		}
		if _, err := os.ReadFile(c.StorePasswordFile); err != nil {
			return fmt.Errorf("--store-password-file: %w", err)
		}
	}
	for _, prefix := range []string{"postgres://", "postgresql://", "sqlite:"} {
		if c.Store == "" || strings.HasPrefix(c.Store, prefix) {
			return nil
		}
	}
	return errors.New("--store: want postgres://USER@HOST/DATABASE or sqlite:FILE")
}

func (c *serveCmd) whatsapp(o *node.Options) error {
	if c.WhatsappEndpoint == "" {
		if c.WhatsappRootKey != "" {
			return errors.New("--whatsapp-root-key: only with --whatsapp-endpoint")
		}
		return nil
	}
	u, err := url.Parse(c.WhatsappEndpoint)
	if err != nil || u.Scheme != "ws" || u.Hostname() == "" {
		return fmt.Errorf("--whatsapp-endpoint: %q is not ws://HOST:PORT/ws/chat", c.WhatsappEndpoint)
	}
	if u.Port() != "" {
		if err := hostPort(u.Host); err != nil {
			return fmt.Errorf("--whatsapp-endpoint: %w", err)
		}
	}
	key, err := hex.DecodeString(c.WhatsappRootKey)
	if err != nil || len(key) != 32 {
		return errors.New("--whatsapp-root-key: want 64 hex digits, as the emulator prints them")
	}
	o.WhatsAppRootKey = key
	return nil
}

func (c *serveCmd) timing(o *node.Options) error {
	if c.LeaseTTL < leastTTL || c.LeaseTTL > mostTTL || c.LeaseTTL%time.Second != 0 {
		return fmt.Errorf("--lease-ttl: TTL is %v, want whole seconds from %v to %v", c.LeaseTTL, leastTTL, mostTTL)
	}
	if err := o.Timing.Validate(); err != nil {
		return fmt.Errorf("--lease-ttl: %w", err)
	}
	if c.DrainTimeout <= 0 {
		return fmt.Errorf("--drain-timeout: %v is not positive", c.DrainTimeout)
	}
	if c.DrainGrace < 0 || c.DrainGrace >= c.DrainTimeout {
		return fmt.Errorf("--drain-grace: %v is not from 0s to below --drain-timeout, %v", c.DrainGrace, c.DrainTimeout)
	}
	if c.Retention < 0 || c.Retention > 0 && c.Retention < node.MinRetention {
		return fmt.Errorf("--idempotency-retention: %v is neither 0 nor %v at least", c.Retention, node.MinRetention)
	}
	if c.Rebalance < 0 {
		return fmt.Errorf("--rebalance-rate: %d is negative", c.Rebalance)
	}
	if c.MaxUnpaired < 0 {
		return fmt.Errorf("--max-unpaired: %d is negative", c.MaxUnpaired)
	}
	if c.StartRate < 0 {
		return fmt.Errorf("--start-rate: %d is negative", c.StartRate)
	}
	return nil
}
