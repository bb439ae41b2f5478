package node

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"time"

	"session-manager/node/etcd"
	"session-manager/node/ownership"
	"session-manager/router"
	"session-manager/router/peer"
)

// witness sees other processes end, without waiting for gossip or for their leases (rule 9).
// It holds a standing connection to each other node. Where one ends, and two dials Redial
// apart are refused, nobody listens there any more: it remembers that it has seen that
// process end, and accuses it.
//
// A wrong accusation cannot make two running owners: who has not seen the end itself holds
// back until the accused, if it lives, must have noticed and stopped (see successions.Raise).
type witness struct {
	node    string
	proof   *peer.Proof
	tls     *tls.Config // of connections to peers; nil: plain
	timing  ownership.Timing
	records records
	accuse  func(ctx context.Context, m etcd.Member, by string) error
	log     *slog.Logger

	changed *signal

	mu    sync.Mutex // guards seen
	seen  []string   // incarnations that were seen to end: the last maxEnds
	watch sync.WaitGroup
}

// Run watches the nodes that etcd knows, until ctx ends.
func (w *witness) Run(ctx context.Context) {
	defer w.watch.Wait()
	watched := make(map[string]context.CancelFunc) // by incarnation
	for {
		changed := w.records.Changed()
		present := make(map[string]bool)
		for _, m := range w.records.Members() {
			present[m.Incarnation] = true
			if m.Name == w.node || watched[m.Incarnation] != nil {
				continue
			}
			ctx, cancel := context.WithCancel(ctx)
			watched[m.Incarnation] = cancel
			w.watch.Go(func() { w.follow(ctx, m) })
		}
		for incarnation, stop := range watched {
			if !present[incarnation] {
				// Its key went first. What it was, an end or an accusation, shows within this time.
				time.AfterFunc(w.timing.TTL, stop)
				delete(watched, incarnation)
			}
		}
		select {
		case <-ctx.Done():
			for _, stop := range watched {
				stop()
			}
			return
		case <-changed:
		}
	}
}

// maxEnds are more than the ends that still matter: each cliente of an ended process has soon another owner.
const maxEnds = 64

// Changed is closed when another end has been seen. Take it before Ended.
func (w *witness) Changed() <-chan struct{} { return w.changed.Wait() }

// SawEnd says whether this node has seen that process end.
func (w *witness) SawEnd(incarnation string) bool {
	return slices.Contains(w.Ended(), incarnation)
}

// Ended are the incarnations that this node has seen end.
func (w *witness) Ended() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.seen)
}

// follow holds a standing connection to one process until ctx ends, or the process has been
// seen to end: once there was such a connection, and then two dials in a row were refused. A
// dial that is not answered proves nothing, it may be the network; nor does one that is
// accepted and dropped, as a dying process's may be for a moment.
func (w *witness) follow(ctx context.Context, m etcd.Member) {
	stood, refused := false, 0
	for ctx.Err() == nil {
		conn, err := w.stand(ctx, m)
		switch {
		case err == nil:
			stood, refused = true, 0
			stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
			_, _ = conn.Read(make([]byte, 1)) // nothing comes but the end
			stop()
			_ = conn.Close()
			continue
		case !stood:
			w.pause(ctx, w.timing.Renew)
			continue
		case errors.Is(err, syscall.ECONNREFUSED):
			refused++
		default:
			refused = 0
		}
		if refused == 2 {
			w.testify(ctx, m)
			return
		}
		w.pause(ctx, w.timing.Redial)
	}
}

func (w *witness) pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// stand opens a standing connection, and makes sure that it is to that very process.
func (w *witness) stand(ctx context.Context, m etcd.Member) (net.Conn, error) {
	dialling, cancel := context.WithTimeout(ctx, w.timing.RenewTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(dialling, "tcp", m.Address)
	if err != nil {
		return nil, err
	}
	if conn, err = router.Secured(dialling, conn, w.tls); err != nil {
		return nil, err
	}
	if err := w.proof.Introduce(dialling, conn, other(m)); err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(w.timing.RenewTimeout))
	request := "GET " + router.StandingPath + " HTTP/1.1\r\nHost: " + m.Address + "\r\n"
	if token := w.proof.Token(m.Address); token != "" {
		request += router.HeaderPeer + ": " + token + "\r\n"
	}
	_, err = conn.Write([]byte(request + "\r\n"))
	var response *http.Response
	if err == nil {
		response, err = http.ReadResponse(bufio.NewReader(conn), nil)
	}
	if err == nil && (response.StatusCode != http.StatusOK || response.Header.Get(router.HeaderIncarnation) != m.Incarnation) {
		err = fmt.Errorf("%s answers %s, as another process", m.Address, response.Status)
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	_ = conn.SetDeadline(time.Time{})
	return conn, nil
}

// testify remembers the end, and tells etcd.
func (w *witness) testify(ctx context.Context, m etcd.Member) {
	w.mu.Lock()
	w.seen = append(w.seen, m.Incarnation)
	w.seen = w.seen[max(0, len(w.seen)-maxEnds):]
	w.mu.Unlock()
	w.changed.Raise()
	w.log.Warn("a node's process has ended: its connection was reset and its port refuses", "node", m.Name, "address", m.Address)
	if now, ok := w.records.Member(m.Name); ok && now.Incarnation == m.Incarnation {
		m = now // its lease may be another one by now
	}
	ctx, cancel := context.WithTimeout(ctx, w.timing.TTL)
	defer cancel()
	if err := w.accuse(ctx, m, w.node); err != nil && ctx.Err() == nil {
		w.log.Warn("its lease was not ended, it ends by itself", "node", m.Name, "err", err)
	}
}
