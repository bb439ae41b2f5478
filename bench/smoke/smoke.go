// Package smoke uses a cluster that runs somewhere, as its callers do, while somebody else
// disturbs it: it pairs accounts at the emulator, sends all the time, and counts.
package smoke

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"session-manager/bench/cluster"
	"session-manager/bench/emulator"
	"session-manager/node/ownership"
)

// Options say which cluster, and for how long.
type Options struct {
	URL      string // of the load balancer
	Emulator string // of its control API
	APIKey   string
	Clientes int
	For      time.Duration // of sending
	Out      io.Writer
}

// Run returns an error where a message was lost or doubled, a send failed for good, or the
// referee saw a fork or an undecryptable message.
func Run(ctx context.Context, o Options) error {
	client := cluster.NewClient(o.URL)
	client.APIKey = o.APIKey
	phones := emulator.Dial(o.Emulator)
	defer phones.Close()
	const friend = "5491199999999"
	if _, err := phones.AddPhone(ctx, friend, "Friend"); err != nil && !errors.Is(err, emulator.ErrConflict) {
		return err
	}
	begun := time.Now()
	for n := range o.Clientes {
		c := ownership.Cliente(n + 1)
		pairing, cancel := context.WithTimeout(ctx, time.Minute)
		_, err := cluster.Pair(pairing, client, phones, c, cluster.NumberOf(c))
		cancel()
		if err != nil {
			return fmt.Errorf("pair cliente %s: %w", c, err)
		}
	}
	fmt.Fprintf(o.Out, "%d clientes paired in %v\n", o.Clientes, time.Since(begun).Round(time.Millisecond))

	var mu sync.Mutex // guards texts, waits, tries, failures
	var texts []string
	var waits []time.Duration
	var failures []error
	again := 0
	until := time.Now().Add(o.For)
	var senders sync.WaitGroup
	for n := range o.Clientes {
		senders.Go(func() {
			c := ownership.Cliente(n + 1)
			for i := 0; time.Now().Before(until) && ctx.Err() == nil; i++ {
				text := fmt.Sprintf("smoke %s %d", c, i)
				at := time.Now()
				sending, cancel := context.WithTimeout(ctx, time.Minute)
				_, tries, err := client.SendUntil(sending, c, cluster.Message{To: friend, Text: text, Key: text})
				cancel()
				mu.Lock()
				waits = append(waits, time.Since(at))
				again += tries - 1
				if err != nil {
					failures = append(failures, err)
				} else {
					texts = append(texts, text)
				}
				mu.Unlock()
				time.Sleep(100 * time.Millisecond)
			}
		})
	}
	senders.Wait()
	slices.Sort(waits)
	fmt.Fprintf(o.Out, "%d sends, %d tried again, %d failed; wait median %v, longest %v\n", len(waits), again, len(failures),
		waits[len(waits)/2].Round(time.Millisecond), waits[len(waits)-1].Round(time.Millisecond))
	return errors.Join(append(failures, check(ctx, o, phones, friend, texts))...)
}

// check compares what was acknowledged with what the friend's phone has, and asks the referee.
func check(ctx context.Context, o Options, phones *emulator.Control, friend string, texts []string) error {
	inbox, err := phones.Inbox(ctx, friend)
	if err != nil {
		return err
	}
	shown := make(map[string]int)
	for _, m := range inbox {
		shown[m.Text]++
	}
	var errs []error
	for _, text := range texts {
		if shown[text] != 1 {
			errs = append(errs, fmt.Errorf("%q was acknowledged, and is shown %d times", text, shown[text]))
		}
	}
	stats, err := phones.Stats(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(o.Out, "referee: %d forks, %d overlaps, %d undecryptable, %d logins\n", stats.RatchetForks, stats.Overlaps, stats.Undecryptable, stats.Logins)
	if stats.RatchetForks != 0 || stats.Undecryptable != 0 {
		errs = append(errs, errors.New("the referee saw a fork, or an undecryptable message"))
	}
	return errors.Join(errs...)
}
