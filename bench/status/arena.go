package status

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"session-manager/bench/cluster"
	"session-manager/bench/load"
	"session-manager/bench/measure"
	"session-manager/bench/rivals"
	"session-manager/node/ownership"
)

// firstCliente is the lowest number that is looked at: all have three digits, so that all answers
// are of one length.
const firstCliente = 100

// compiling is how long Express is loaded before it is measured: Node.js compiles what is hot, and
// is three times as fast then.
const compiling = 2 * time.Second

// arena is all that is compared, running.
type arena struct {
	cluster    *cluster.Cluster
	owner, hop *cluster.Node // hop owns nothing that is asked for
	clientes   []ownership.Cliente
	requests   [][]byte // one for each cliente
	rivals     []*rivals.Rival
	contenders []*contender
}

// begin starts a cluster of three nodes, pairs clientes that one of them owns, and starts the
// rivals. The caller closes it.
func (s *Status) begin(ctx context.Context, env measure.Env) (_ *arena, err error) {
	a := &arena{}
	defer func() {
		if err != nil {
			err = a.close(err)
		}
	}()
	a.cluster, err = cluster.Start(ctx, cluster.Options{
		Nodes: 3, BinDir: env.BinDir, Dir: env.Dir, Store: s.Store, Emulator: true, FewPrekeys: true, Log: env.Log,
	})
	if err != nil {
		return a, err
	}
	nodes := a.cluster.Nodes()
	a.owner, a.hop = nodes[0], nodes[1]
	for _, seen := range nodes {
		for _, by := range nodes {
			if err := by.Client().WaitMember(ctx, seen.Name(), true); err != nil {
				return a, err
			}
		}
	}
	if err := a.pair(ctx, s.Clientes); err != nil {
		return a, err
	}
	return a, a.invite(ctx, s, env)
}

// pair pairs clientes that placement gives to the owner.
func (a *arena) pair(ctx context.Context, count int) error {
	for c := ownership.Cliente(firstCliente); len(a.clientes) < count; c++ {
		if c >= 10*firstCliente {
			return fmt.Errorf("%s is to own %d clientes, and the ring gives it %d", a.owner.Name(), count, len(a.clientes))
		}
		at, err := a.owner.Client().Owner(ctx, c)
		if err != nil {
			return err
		}
		if at.Placement != a.owner.Name() {
			continue
		}
		if _, err := a.cluster.Pair(ctx, c, cluster.NumberOf(c)); err != nil {
			return err
		}
		a.clientes = append(a.clientes, c)
		a.requests = append(a.requests, load.Request(http.MethodGet, "/status", nil, "X-Cliente-Id", c.String(),
			"Accept", "application/json, text/plain, */*", "User-Agent", "axios/1.7.9", "Accept-Encoding", "gzip, compress, deflate, br",
			"Connection", "keep-alive"))
	}
	return a.still(ctx)
}

// still is an error when a cliente is not at the owner any more: hops would be counted as none.
func (a *arena) still(ctx context.Context) error {
	for _, c := range a.clientes {
		at, err := a.hop.Client().Owner(ctx, c)
		if err != nil {
			return err
		}
		if at.Owner != a.owner.Name() {
			return fmt.Errorf("cliente %s is at %q, want %s", c, at.Owner, a.owner.Name())
		}
	}
	return nil
}

// next is what a connection asks for: the clientes in turn.
func (a *arena) next(connection, n int) []byte { return a.requests[(connection+n)%len(a.requests)] }

// invite starts the rivals that were asked for, and sees that all contenders answer alike.
func (a *arena) invite(ctx context.Context, s *Status, env measure.Env) error {
	a.contenders = []*contender{
		{name: owner, address: bare(a.owner.URL()), pid: a.owner.PID(), runtime: a.owner.URL()},
		{name: hop, address: bare(a.hop.URL()), pid: a.hop.PID(), runtime: a.hop.URL()},
	}
	header, body, err := fetch(ctx, bare(a.owner.URL()), a.clientes[0])
	if err != nil {
		return err
	}
	var numbers []string
	for _, c := range a.clientes {
		numbers = append(numbers, c.String())
	}
	routes := []rivals.Route{{Node: a.owner.Name(), Address: bare(a.owner.URL()), Clientes: numbers}}
	answer := rivals.Answer{Body: body}
	for _, name := range []string{"Content-Type", "X-Session-Owner", "X-Session-Epoch"} {
		answer.Headers = append(answer.Headers, [2]string{name, header.Get(name)})
	}
	program := filepath.Join(env.BinDir, "bench")
	for _, r := range []struct {
		name  string
		flag  string // that asks for it; "": always
		start func() (*rivals.Rival, error)
	}{
		{bareServer, "", func() (*rivals.Rival, error) { return rivals.Bare(ctx, program, env.Dir, answer) }},
		{naive, "", func() (*rivals.Rival, error) { return rivals.Naive(ctx, program, env.Dir, routes) }},
		{express, "express", func() (*rivals.Rival, error) { return rivals.Express(ctx, env.Dir, numbers) }},
		{nginx, "nginx", func() (*rivals.Rival, error) { return rivals.Nginx(ctx, env.Dir, routes) }},
		{haproxy, "haproxy", func() (*rivals.Rival, error) { return rivals.HAProxy(ctx, env.Dir, routes) }},
	} {
		if r.flag != "" && !slices.Contains(s.Rivals, r.flag) {
			continue
		}
		rival, err := r.start()
		if err != nil {
			return err
		}
		a.rivals = append(a.rivals, rival)
		c := &contender{name: r.name, address: rival.Address, pid: rival.PID()}
		if r.name == express {
			c.warmUp = compiling
		}
		a.contenders = append(a.contenders, c)
	}
	for _, c := range a.contenders {
		_, got, err := fetch(ctx, c.address, a.clientes[0])
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		if !bytes.Equal(got, body) {
			return fmt.Errorf("%s answers %s, and the owner %s", c.name, got, body)
		}
	}
	return nil
}

// fetch asks once for a cliente's status.
func fetch(ctx context.Context, address string, c ownership.Cliente) (http.Header, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/status", nil)
	if err != nil {
		return nil, nil, err
	}
	req.Close = true
	req.Header.Set("X-Cliente-Id", c.String())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(strconv.Itoa(resp.StatusCode) + " " + string(body))
	}
	return resp.Header, body, err
}

// bare is a base URL's host:port.
func bare(url string) string { return strings.TrimPrefix(url, "http://") }

// close ends all, and adds the nodes' logs to an error.
func (a *arena) close(err error) error {
	for _, r := range a.rivals {
		r.Close()
	}
	if a.cluster != nil {
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, a.cluster.Tails())
		}
		err = errors.Join(err, a.cluster.Close())
	}
	return err
}
