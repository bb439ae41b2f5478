package etcd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// ErrDirInUse: another process uses the embedded etcd's directory.
var ErrDirInUse = errors.New("directory is in use by another process: stop it first")

// readyWithin is far more than an embedded etcd needs to elect itself (1 s) and read its log.
const readyWithin = time.Minute

// EmbeddedConfig says where the embedded etcd of a single machine keeps its data.
type EmbeddedConfig struct {
	Dir string // made if absent; one process at a time
	Log *slog.Logger
}

// Embedded is an etcd in this process, for one node alone: other nodes cannot reach it.
type Embedded struct {
	etcd     *embed.Etcd
	lock     *os.File
	socket   *socketDir
	endpoint string
	quiet    *atomic.Bool // no more of etcd's log
	close    sync.Once
}

// StartEmbedded starts it and waits until it serves, or ctx ends. It takes up what a former
// one left in Dir, however that one ended. ErrDirInUse: the former one has not.
//
// It listens on a Unix socket in Dir, which no other user gets to, and on no port: on loopback everybody
// on the machine could put owners into it. The address that it advertises to its peers, on which it does not listen,
// is the literal "127.0.0.1:0" in each life: a single member never dials itself, so the record of its address stays true.
func StartEmbedded(ctx context.Context, cfg EmbeddedConfig) (*Embedded, error) {
	quiet := new(atomic.Bool)
	e, err := start(ctx, embeddedConfig(cfg, quiet), quiet)
	if err != nil {
		return nil, fmt.Errorf("embedded etcd in %s: %w", cfg.Dir, err)
	}
	return e, nil
}

func start(ctx context.Context, cfg *embed.Config, quiet *atomic.Bool) (*Embedded, error) {
	lock, err := lockDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	first, err := beginFirstStart(cfg.Dir)
	if err != nil {
		_ = lock.Close()
		return nil, err
	}
	socket, err := openSocketDir(cfg.Dir)
	if err != nil {
		_ = lock.Close()
		return nil, err
	}
	cfg.ListenClientUrls = []url.URL{{Scheme: "unix", Path: socket.path(socketName)}}
	e, err := startEtcd(cfg)
	if err != nil {
		socket.Close()
		_ = lock.Close()
		return nil, err
	}
	b := &Embedded{etcd: e, lock: lock, socket: socket, quiet: quiet, endpoint: "unix://" + socket.path(socketName)}
	ctx, cancel := context.WithTimeoutCause(ctx, readyWithin, fmt.Errorf("not ready after %v", readyWithin))
	defer cancel()
	select {
	case <-e.Server.ReadyNotify():
		if err = first.end(); err == nil {
			return b, nil
		}
	case err = <-e.Err():
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	b.Close()
	return nil, err
}

// startEtcd makes an error of what etcd panics with, as where the disk is full.
func startEtcd(cfg *embed.Config) (e *embed.Etcd, err error) {
	defer func() {
		if p := recover(); p != nil {
			e, err = nil, fmt.Errorf("etcd gives up: %v", p)
		}
	}()
	return embed.StartEtcd(cfg)
}

func embeddedConfig(cfg EmbeddedConfig, quiet *atomic.Bool) *embed.Config {
	c := embed.NewConfig()
	c.Name = "embedded"
	c.Dir = cfg.Dir
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.New(slogCore{log: cfg.Log, quiet: quiet}))
	c.ListenPeerUrls = nil
	c.AdvertiseClientUrls, c.AdvertisePeerUrls = loopback(), loopback()
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	c.EnableGRPCGateway = false                                                         // JSON over HTTP: nobody asks for it
	c.AutoCompactionMode, c.AutoCompactionRetention = embed.CompactorModePeriodic, "1h" // off by default: the database would grow for ever
	return c
}

func loopback() []url.URL { return []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}} }

// Endpoint is where a Client reaches it: a Unix socket.
func (e *Embedded) Endpoint() string { return e.endpoint }

// Close stops it; a second call does nothing. Close its clients first: a view that still
// watches is waited for, for 5 s.
func (e *Embedded) Close() {
	e.close.Do(func() {
		e.quiet.Store(true)
		e.etcd.Server.Stop() // or Close would wait for the server's own streams
		e.etcd.Close()
		e.socket.Close()
		_ = e.lock.Close()
	})
}

// firstStart is the mark of a directory in which etcd has never been ready. A process that dies
// before its etcd has written itself into the log as the one member leaves a log that can
// elect nobody: every later start would wait for ever. What such a start left is nothing that
// anybody was told of, so it is removed and begun anew.
type firstStart struct{ mark string }

// beginFirstStart leaves the mark in a directory without an etcd, or where a former first start
// left off. A directory with an etcd and without the mark is not touched.
func beginFirstStart(dir string) (firstStart, error) {
	first := firstStart{mark: filepath.Join(dir, "first-start")}
	member := filepath.Join(dir, "member")
	_, err := os.Stat(first.mark)
	if err == nil {
		return first, os.RemoveAll(member)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return first, err
	}
	if _, err := os.Stat(member); !errors.Is(err, os.ErrNotExist) {
		return firstStart{}, err
	}
	if err := os.WriteFile(first.mark, nil, 0o600); err != nil {
		return first, err
	}
	return first, syncDir(dir)
}

// end takes the mark away, on the disk too: were it found again after a loss of power, an etcd in use would be removed.
func (f firstStart) end() error {
	if f.mark == "" {
		return nil
	}
	if err := os.Remove(f.mark); err != nil {
		return err
	}
	return syncDir(filepath.Dir(f.mark))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// lockDir makes the directory and locks it until the file is closed. etcd itself would wait for
// the other process's end without a word, for ever. A stand-alone etcd, which does not know our
// lock, is found by the one on its database.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := lockFile(filepath.Join(dir, "lock"), os.O_CREATE)
	if err != nil {
		return nil, err
	}
	database, err := lockFile(filepath.Join(dir, "member", "snap", "db"), 0)
	switch {
	case err == nil:
		_ = database.Close() // etcd locks it itself
	case !errors.Is(err, os.ErrNotExist):
		_ = lock.Close()
		return nil, err
	}
	return lock, nil
}

func lockFile(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|flags, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrDirInUse
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}
