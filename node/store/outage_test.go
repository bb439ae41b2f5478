package store

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"session-manager/bench/postgres"
	"session-manager/node/ownership"
)

// serverOfItsOwn is a Postgres that a test may hurt, and its database "own".
func serverOfItsOwn(t *testing.T) (server *postgres.Server, url string) {
	t.Helper()
	server, err := postgres.Start(deadline(t), postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	if url, err = server.NewDatabase(deadline(t), "own"); err != nil {
		t.Fatal(err)
	}
	return server, url
}

// A store that hangs, crashes, comes back or cannot be written is unavailable, and fences nobody.
func TestOutage(t *testing.T) {
	ctx := deadline(t)
	server, url := serverOfItsOwn(t)
	s := open(t, url, "n1")
	s.answer = 300 * time.Millisecond
	a, device, hold := paired(t, s, 5, 10, "5491100000001")
	write := func() error {
		_, err := reserve(ctx, a, stores(device), Send{Key: "k", MessageID: "M"})
		return errors.Join(err, device.Save(ctx), device.Sessions.PutSession(ctx, "them:1", []byte("x")))
	}
	wantAway := func(what string) {
		t.Helper()
		begun := time.Now()
		if err := write(); !errors.Is(err, ErrUnavailable) || errors.Is(err, ownership.ErrFenced) {
			t.Errorf("%s: %v", what, err)
		}
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("%s: three writes took %v", what, took)
		}
	}
	wantBack := func(what string) {
		t.Helper()
		s.answer = answerTime
		defer func() { s.answer = 300 * time.Millisecond }()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) { // a connection that broke shows at its next use
			err := write()
			if err == nil {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %v", what, err)
			}
		}
	}
	if err := server.Pause(); err != nil {
		t.Fatal(err)
	}
	wantAway("a server that hangs")
	if err := server.Resume(); err != nil {
		t.Fatal(err)
	}
	wantBack("after the pause")
	if err := server.Pause(); err != nil {
		t.Fatal(err)
	}
	raised := make(chan error, 1)
	go func() {
		_, _, err := s.Raise(ctx, 6, ownership.Token{Generation: 1, Revision: 11}, nil)
		raised <- err
	}()
	select {
	case err := <-raised:
		t.Fatalf("a raise on a server that hangs: %v", err)
	case <-time.After(raiseWait + raiseWait/2):
	}
	if err := server.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := <-raised; err != nil {
		t.Errorf("a raise on a server that was slow: %v", err)
	}
	server.Kill()
	wantAway("a server that crashed")
	if err := server.Run(ctx); err != nil {
		t.Fatal(err)
	}
	wantBack("after the crash")
	if _, err := s.db.Exec(ctx, "ALTER DATABASE own SET default_transaction_read_only = on"); err != nil {
		t.Fatal(err)
	}
	if err := server.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	wantAway("a server that is read-only")
	if err := hold.Check(time.Now()); err != nil {
		t.Errorf("the ownership has ended: %v", err)
	}
}

// A raise gets through within two seconds whatever the former owner's transactions do.
func TestRaiseEndsWhoHoldsTheFence(t *testing.T) {
	for name, held := range map[string]struct {
		writers int
		each    time.Duration
	}{
		"one that is paused":   {1, 5 * time.Second},
		"many that take turns": {12, 40 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			url := databases.URL(t)
			next := open(t, url, "n2")
			former, err := Open(deadline(t), Config{URL: url, Log: quiet,
				Process: ownership.Process{Node: "ñandú", Incarnation: "01J0000000"}}) // Postgres rewrites the node's name
			if err != nil {
				t.Fatal(err)
			}
			defer former.Close()
			a, _ := own(t, former, 5, 10)
			stop, begun := make(chan struct{}), make(chan struct{}, 1000)
			var writers sync.WaitGroup
			for range held.writers {
				writers.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						_ = a.txn(context.Background(), func(context.Context) error {
							select {
							case begun <- struct{}{}:
							default:
							}
							select {
							case <-time.After(held.each):
							case <-stop:
							}
							return nil
						})
					}
				})
			}
			for range held.writers {
				<-begun
			}
			at := time.Now()
			if _, _, err := next.Raise(deadline(t), 5, ownership.Token{Generation: 1, Revision: 20}, nil); err != nil {
				t.Error(err)
			}
			if took := time.Since(at); took > 10*time.Second { // it was 30 s where turns starved it; the figure proper is bench's
				t.Errorf("the raise took %v", took)
			}
			close(stop)
			writers.Wait()
		})
	}
}

// A server that is slow to open a connection is waited for as long as a statement may take.
func TestConnectionsThatOpenSlowly(t *testing.T) {
	ctx := deadline(t)
	server, url := serverOfItsOwn(t)
	db, _, err := openPostgres(Config{URL: url, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := server.Pause(); err != nil {
		t.Fatal(err)
	}
	opened := make(chan error, 1)
	go func() { opened <- db.PingContext(ctx) }()
	select {
	case err = <-opened:
		t.Errorf("given up while the statement could still wait: %v", err)
	case <-time.After(hostTimeout + hostTimeout/4):
	}
	if err := server.Resume(); err != nil {
		t.Fatal(err)
	}
	if err == nil {
		err = <-opened
	}
	if err != nil {
		t.Error(err)
	}
}

// One connection is enough to be configured; migrations need a second.
func TestFewConnections(t *testing.T) {
	s, err := Open(deadline(t), Config{URL: databases.URL(t), Log: quiet, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
}

// A database with too few connections says what to do.
func TestTooManyConnections(t *testing.T) {
	ctx := deadline(t)
	address, err := url.Parse(databases.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	admin := open(t, address.String(), "admin")
	role := "few" + strings.TrimPrefix(address.Path, "/")
	for _, statement := range []string{"CREATE ROLE " + role + " LOGIN CONNECTION LIMIT 1", "GRANT ALL ON ALL TABLES IN SCHEMA public TO " + role} {
		if _, err := admin.db.Exec(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	address.User = url.User(role)
	s, err := Open(ctx, Config{URL: address.String(), Log: quiet}) // one for statements, and one for polls
	if err == nil {
		_ = s.Close()
	}
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "--store-connections") {
		t.Errorf("opened with one connection: %v", err)
	}
}

// Of many that wait for one of few connections nobody is passed over, time and again: some would wait
// for longer than a database has to answer.
func TestConnectionsAreGivenInTurn(t *testing.T) {
	ctx := deadline(t)
	s, err := Open(ctx, Config{URL: databases.URL(t), Log: quiet, MaxConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const rounds = 20
	var done [50]atomic.Int64
	var waiting sync.WaitGroup
	enough, stop := context.WithCancel(ctx)
	defer stop()
	for i := range done {
		waiting.Go(func() {
			for enough.Err() == nil {
				if _, err := s.db.Exec(ctx, "SELECT pg_sleep(0.001)"); err != nil {
					t.Error(err)
					stop()
				}
				if done[i].Add(1) == rounds {
					stop()
				}
			}
		})
	}
	waiting.Wait()
	for i := range done {
		if n := done[i].Load(); n < rounds/2 {
			t.Errorf("one had %d turns while another had %d", n, rounds)
		}
	}
}
