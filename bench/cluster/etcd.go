package cluster

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
)

// Etcd is one member of the etcd cluster. Restart, after Kill or Terminate, comes back with
// its data on the same addresses.
type Etcd struct {
	*Process
	client, peer string // addresses
	place        Place
}

func etcdName(i int) string { return fmt.Sprintf("etcd%d", i+1) }

// Endpoint is where clients connect, host:port.
func (e *Etcd) Endpoint() string { return e.client }

// startEtcd starts all members at once: none is ready before most of them are.
func (c *Cluster) startEtcd(ctx context.Context) error {
	var initial []string
	members := make([]*Etcd, c.o.Etcd)
	for i := range members {
		place, err := c.o.place(etcdName(i))
		if err != nil {
			return err
		}
		client, err := c.freeAddr(place.Host)
		if err != nil {
			return err
		}
		peer, err := c.freeAddr(place.Host)
		if err != nil {
			return err
		}
		members[i] = &Etcd{client: client, peer: peer, place: place}
		initial = append(initial, fmt.Sprintf("%s=http://%s", etcdName(i), peer))
	}
	var starts []func(context.Context) error
	for i, e := range members {
		name := etcdName(i)
		p, err := c.newProcess(name, e.place, etcdProgram, slices.Concat([]string{
			"--name", name, "--data-dir", filepath.Join(c.dir, name),
			"--listen-client-urls", "http://" + e.client, "--advertise-client-urls", "http://" + e.client,
			"--listen-peer-urls", "http://" + e.peer, "--initial-advertise-peer-urls", "http://" + e.peer,
			"--initial-cluster", strings.Join(initial, ","), "--initial-cluster-state", "new",
			"--log-level", "warn", "--logger", "zap",
			// A follower that starts late must not wait a second for a leader.
			"--heartbeat-interval", "50", "--election-timeout", "500",
			"--unsafe-no-fsync", // a crash of this machine ends the whole cluster anyway
		}, c.o.EtcdArgs), e.healthy)
		if err != nil {
			return err
		}
		e.Process = p
		starts = append(starts, p.Start)
	}
	c.Etcd = members
	return together(ctx, starts...)
}

// healthy asks the member whether it has a leader and can commit.
func (e *Etcd) healthy(ctx context.Context, _ string) (bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+e.client+"/health", nil)
	if err != nil {
		return false, err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return false, nil // not listening yet
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return err == nil && resp.StatusCode == http.StatusOK && strings.Contains(string(body), `"health":"true"`), nil
}

func (c *Cluster) endpoints() string {
	var all []string
	for _, e := range c.Etcd {
		all = append(all, "http://"+e.client)
	}
	return strings.Join(all, ",")
}
