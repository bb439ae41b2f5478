package cluster

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"session-manager/bench/ports"
)

// The kinds of Store that Start provides by itself.
const (
	SQLite   = "sqlite"   // one file that all nodes share: for trying out, on one machine
	Postgres = "postgres" // a throw-away server
)

// Options say what a cluster is made of.
type Options struct {
	Nodes  int    // started at once; AddNode adds more
	BinDir string // of the programs; "": bin
	// Program is what the nodes run at first; "": that of BinDir. Node.Use changes it.
	Program string
	Dir     string // of data and logs; "": a temporary one, removed at Close
	// Store is SQLite, Postgres or the URL of a store that is there already; "": SQLite.
	Store string
	// StoreDir is where the store that Start provides keeps its data; "": in Dir.
	StoreDir string
	// Etcd is how many members the etcd cluster has, each a process: 0 is 1. Embedded has
	// none: the one node carries its own.
	Etcd     int
	Embedded bool
	// Emulator starts the emulator and points the nodes at it. Without it nodes would go to
	// the real WhatsApp: for what needs no account only.
	Emulator bool
	// FewPrekeys makes pairing an eighth as costly (see emulator.Options).
	FewPrekeys bool
	NodeArgs   []string // more flags for every node
	EtcdArgs   []string // more flags for every member of etcd
	// Place says where a process runs, by its name: node1, etcd1, emulator, postgres. nil: all
	// on this machine's loopback.
	Place func(name string) (Place, error)
	Log   *slog.Logger
}

// Place is a network that a process runs in. The zero Place is this process's own, on loopback.
type Place struct {
	Host  string   // address to listen on; "": 127.0.0.1
	Enter []string // command that runs what follows it there; postgres must be in ours
}

func (o *Options) place(name string) (Place, error) {
	if o.Place == nil {
		return Place{Host: ports.Loopback}, nil
	}
	p, err := o.Place(name)
	if p.Host == "" {
		p.Host = ports.Loopback
	}
	return p, err
}

// ErrNotBuilt: a program is missing in BinDir.
var ErrNotBuilt = errors.New("program is not built: run make build")

const (
	nodeProgram     = "session-manager"
	etcdProgram     = "etcd"
	emulatorProgram = "whatsapp-emulator"
)

func (o *Options) complete() error {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.BinDir == "" {
		o.BinDir = "bin"
	}
	if o.Store == "" {
		o.Store = SQLite
	}
	if o.Etcd == 0 {
		o.Etcd = 1
	}
	switch {
	case o.Nodes < 0:
		return fmt.Errorf("cluster of %d nodes: want 0 or more", o.Nodes)
	case o.Etcd < 0:
		return fmt.Errorf("cluster of %d etcd members: want 1 or more", o.Etcd)
	case o.Embedded && o.Nodes > 1:
		return fmt.Errorf("cluster of %d nodes with embedded etcd: want one node", o.Nodes)
	}
	abs, err := filepath.Abs(o.BinDir)
	if err != nil {
		return err
	}
	o.BinDir = abs
	var programs []string
	if o.Nodes > 0 {
		programs = append(programs, nodeProgram)
	}
	if !o.Embedded {
		programs = append(programs, etcdProgram)
	}
	if o.Emulator {
		programs = append(programs, emulatorProgram)
	}
	for _, name := range programs {
		if info, err := os.Stat(filepath.Join(o.BinDir, name)); err != nil || info.IsDir() {
			return fmt.Errorf("%s in %s: %w", name, o.BinDir, ErrNotBuilt)
		}
	}
	return nil
}
