// Package postgres runs a throw-away Postgres server: the real one, in a directory of its own,
// on a free port of loopback. Tests, the demo and the benchmarks use it.
package postgres

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"session-manager/bench/ports"
)

// ErrMissing: the server's programs are not installed.
var ErrMissing = errors.New("no Postgres server found: install it (apt-get install postgresql)")

// Options say where a server keeps its data and how careful it is.
type Options struct {
	Dir     string // "": a temporary one, removed at Close; one with a cluster in it goes on with that
	Durable bool   // fsync on, as in earnest; off is faster and enough for tests
	// Host is the address to listen on; "": 127.0.0.1. Whoever is on its network is let in: it
	// must be one that the caller has made for itself.
	Host string
}

// Server is a running server.
type Server struct {
	dir     string
	own     bool // the directory goes at Close
	bin     string
	host    string
	port    *ports.Port
	durable bool
	account *syscall.Credential // whom it runs as; nil: as ourselves
	cmd     *exec.Cmd
	done    chan struct{} // closed when cmd has ended
}

// Start makes a new cluster and starts its server. As root it runs under an unprivileged
// user, since Postgres refuses root.
func Start(ctx context.Context, o Options) (*Server, error) {
	bin, err := find()
	if err != nil {
		return nil, err
	}
	s := &Server{dir: o.Dir, bin: bin, durable: o.Durable, host: cmp.Or(o.Host, ports.Loopback)}
	if s.dir == "" {
		if s.dir, err = os.MkdirTemp("", "postgres-"); err != nil {
			return nil, err
		}
		s.own = true
	} else if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	if os.Geteuid() == 0 {
		if s.account, err = unprivileged(); err != nil {
			return nil, err
		}
		if err := os.Chown(s.dir, int(s.account.Uid), int(s.account.Gid)); err != nil {
			return nil, err
		}
	}
	if err := s.begin(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// begin makes the cluster and runs the server on a port that is its own.
func (s *Server) begin(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(s.data(), "PG_VERSION")); errors.Is(err, os.ErrNotExist) {
		if err := s.create(ctx); err != nil {
			return err
		}
	}
	var err error
	if s.port, err = ports.Keep(s.host); err != nil {
		return err
	}
	return s.Run(ctx)
}

// find returns the directory of initdb and postgres: of the newest version where Debian keeps
// them, else of those in PATH.
func find() (string, error) {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.SortFunc(dirs, func(a, b string) int { return version(b) - version(a) })
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil {
			return dir, nil
		}
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	return "", ErrMissing
}

func version(dir string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
	return n
}

func unprivileged() (*syscall.Credential, error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("postgres refuses to run as root, and there is no user postgres or nobody to run it as")
}

func (s *Server) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.account, Setpgid: true, Pdeathsig: syscall.SIGQUIT}
	return cmd
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) create(ctx context.Context) error {
	out, err := s.command(ctx, "initdb", "--pgdata", s.data(), "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync").CombinedOutput()
	if err != nil {
		return fmt.Errorf("initdb: %w: %s", err, bytes.TrimSpace(out))
	}
	if s.host == ports.Loopback {
		return nil
	}
	hba, err := os.OpenFile(filepath.Join(s.data(), "pg_hba.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = hba.WriteString("host all all samenet trust\n")
	return errors.Join(err, hba.Close())
}

// Restart stops the server and runs it again on the same port and data.
func (s *Server) Restart(ctx context.Context) error {
	s.Stop()
	return s.Run(ctx)
}

// Run starts the server, again after Stop or Kill, on the same port and data, and waits until
// it answers.
func (s *Server) Run(ctx context.Context) error {
	log, err := os.OpenFile(s.LogPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	onOff := map[bool]string{true: "on", false: "off"}[s.durable]
	s.cmd = s.command(context.Background(), "postgres", "-D", s.data(), "-h", s.host, "-p", strconv.Itoa(s.port.Number()), "-k", "",
		"-c", "fsync="+onOff, "-c", "full_page_writes="+onOff, "-c", "max_connections=200")
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	cmd, done := s.cmd, make(chan struct{})
	s.done = done
	go func() { _ = cmd.Wait(); close(done) }()
	for {
		conn, err := pgx.Connect(ctx, s.URL())
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-done:
			text, _ := os.ReadFile(s.LogPath())
			return fmt.Errorf("postgres ended at start: %s", bytes.TrimSpace(text[max(0, len(text)-1000):]))
		case <-ctx.Done():
			return fmt.Errorf("postgres does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Running says whether the server has not ended by itself.
func (s *Server) Running() bool {
	select {
	case <-s.done:
		return false
	default:
		return true
	}
}

// PID is that of the server; those of its backends are its children.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// LogPath is the file that the server prints to.
func (s *Server) LogPath() string { return filepath.Join(s.dir, "log") }

// URL is that of the administrator's database.
func (s *Server) URL() string { return s.url("postgres") }

func (s *Server) url(database string) string {
	return fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", s.port.Address(), database)
}

// NewDatabase makes an empty database and returns its URL.
func (s *Server) NewDatabase(ctx context.Context, name string) (string, error) {
	conn, err := pgx.Connect(ctx, s.URL())
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()); err != nil {
		return "", err
	}
	return s.url(name), nil
}

// Close stops the server, and removes a directory that Start made.
func (s *Server) Close() {
	s.Stop()
	if s.port != nil {
		s.port.Close()
	}
	s.removeDir()
}

func (s *Server) removeDir() {
	if s.own {
		_ = os.RemoveAll(s.dir)
	}
}
