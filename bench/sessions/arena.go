package sessions

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"session-manager/bench/cluster"
	"session-manager/bench/measure"
	"session-manager/bench/postgres"
	"session-manager/node/ownership"
)

// setup is what an arena is made of.
type setup struct {
	store      string // cluster.SQLite or cluster.Postgres
	nodes      int
	allPrekeys bool // a first pairing stores 812 of them
}

// arena is where the product and its rival are compared: a cluster, and a store of the same kind
// for bare whatsmeow.
type arena struct {
	*cluster.Cluster
	env        measure.Env
	server     *postgres.Server // of both stores; nil: SQLite
	store      string           // the product's
	rivalStore string
	rival      *rival
	callers    []*caller // of the product's nodes, in their order
}

// begin starts the cluster, and the rival where its store is empty. The caller closes it.
func begin(ctx context.Context, env measure.Env, s setup) (_ *arena, err error) {
	dir, err := os.MkdirTemp(env.Dir, "arena-")
	if err != nil {
		return nil, err
	}
	a := &arena{env: env}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	switch s.store {
	case cluster.SQLite:
		a.store, a.rivalStore = "sqlite:"+filepath.Join(dir, "sessions.db"), "sqlite:"+filepath.Join(dir, "floor.db")
	case cluster.Postgres:
		if a.server, err = postgres.Start(ctx, postgres.Options{Durable: true}); err != nil {
			return nil, err
		}
		store, err1 := a.server.NewDatabase(ctx, productDatabase)
		rivalStore, err2 := a.server.NewDatabase(ctx, rivalDatabase)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		a.store, a.rivalStore = store, rivalStore
	default:
		return nil, fmt.Errorf("store %q: want %s or %s", s.store, cluster.SQLite, cluster.Postgres)
	}
	a.Cluster, err = cluster.Start(ctx, cluster.Options{
		Nodes: s.nodes, BinDir: env.BinDir, Dir: dir, Store: a.store, Emulator: true, FewPrekeys: !s.allPrekeys,
		// Nothing is to start slowly, or to move by itself.
		NodeArgs: []string{"--start-rate", "0", "--rebalance-rate", "0", "--pprof-listen", "127.0.0.1:0"}, Log: env.Log,
	})
	if err != nil {
		return nil, err
	}
	a.reach()
	a.rival, err = startRival(ctx, env, a.rivalStore, a.EmulatorURL())
	return a, err
}

// Names of the databases on the one server.
const (
	productDatabase = "sessions"
	rivalDatabase   = "floor"
)

// reach makes callers of all nodes anew: connections to one that was started again are gone.
func (a *arena) reach() {
	for _, c := range a.callers {
		c.close()
	}
	a.callers = nil
	for _, n := range a.Nodes() {
		a.callers = append(a.callers, newCaller(n.URL()))
	}
}

// node is the first node, which owns everything unless a scenario says otherwise.
func (a *arena) node() *cluster.Node { return a.Nodes()[0] }

// caller calls the first node.
func (a *arena) caller() *caller { return a.callers[0] }

// postgres are the processes of the store's server, none with SQLite.
func (a *arena) postgres() []int {
	if a.server == nil {
		return nil
	}
	return []int{a.server.PID()}
}

func (a *arena) close() error {
	var errs []error
	for _, c := range a.callers {
		c.close()
	}
	if a.rival != nil {
		a.rival.kill()
	}
	if a.Cluster != nil {
		errs = append(errs, a.Cluster.Close())
	}
	if a.server != nil {
		a.server.Close()
	}
	return errors.Join(errs...)
}

// drain ends the first node in good order.
func (a *arena) drain(ctx context.Context) error {
	ctx, cancel := limited(ctx)
	defer cancel()
	code, err := a.node().Terminate(ctx)
	if err == nil && code != 0 {
		err = fmt.Errorf("%s ended with exit code %d\n%s", a.node().Name(), code, a.node().Tail())
	}
	return err
}

// startAgain starts the first node after drain.
func (a *arena) startAgain(ctx context.Context) error {
	ctx, cancel := limited(ctx)
	defer cancel()
	err := a.node().Start(ctx)
	a.reach()
	return err
}

// judge is an error where the referee saw what makes a measurement worthless.
func (a *arena) judge(ctx context.Context) error {
	s, err := a.Emulator.Stats(ctx)
	if err != nil {
		return err
	}
	if s.Duplicates+s.Undecryptable+s.RatchetForks+s.Overlaps+s.Empty != 0 {
		return fmt.Errorf("the referee counts %d messages again under their ID, %d that could not be decrypted, %d forks, %d overlaps, %d sends to nobody",
			s.Duplicates, s.Undecryptable, s.RatchetForks, s.Overlaps, s.Empty)
	}
	return nil
}

// Numbers of phones: an account of the product, one of the rival, and one who is nobody's account.
func productNumber(c ownership.Cliente) string { return cluster.NumberOf(c) }
func rivalNumber(n int) string                 { return fmt.Sprintf("54922%08d", n) }
func friendNumber(n int) string                { return fmt.Sprintf("54933%08d", n) }

// addFriends puts phones on WhatsApp that are nobody's accounts, and returns their numbers.
func (a *arena) addFriends(ctx context.Context, n int) (numbers []string, err error) {
	for i := range n {
		numbers = append(numbers, friendNumber(i))
		if _, err := a.Emulator.AddPhone(ctx, friendNumber(i), fmt.Sprintf("Friend %d", i)); err != nil {
			return nil, err
		}
	}
	return numbers, nil
}

// clientes are 1 to n.
func clientes(n int) []ownership.Cliente {
	all := make([]ownership.Cliente, n)
	for i := range all {
		all[i] = ownership.Cliente(i + 1)
	}
	return all
}

// turns calls two in one order in even rounds and in the other in odd ones.
func turns(round int, product, rival func() error) error {
	both := []func() error{product, rival}
	if round%2 == 1 {
		slices.Reverse(both)
	}
	for _, f := range both {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}
