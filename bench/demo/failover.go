package demo

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"session-manager/bench/cluster"
)

// failover kills the owner of a cliente while messages are under way in both directions, and
// checks that all of its clientes come back without a QR code, that every message arrives
// once, and that the other nodes' clientes notice nothing.
func (d *demo) failover(ctx context.Context, f *figures) error {
	a := d.paired[0]
	client := d.cluster.Client()
	owner, err := client.Owner(ctx, a.cliente)
	if err != nil {
		return err
	}
	victim := d.cluster.Node(owner.Owner)
	if victim == nil {
		return fmt.Errorf("cliente %s is owned by %q, which is no node of ours", a.cliente, owner.Owner)
	}
	its, others, err := d.byOwner(ctx, victim.Name())
	if err != nil {
		return err
	}
	before, err := d.logins(ctx, others)
	if err != nil {
		return err
	}

	sends := d.newSends(a)
	first, err := client.Send(ctx, a.cliente, sends.before)
	if err != nil {
		return err
	}
	// The survivors are what a load balancer would use, once it knows.
	survivors := d.cluster.Client(victim)
	inFlight := async(func() (cluster.Sent, error) {
		sent, _, err := survivors.SendUntil(ctx, a.cliente, sends.during)
		return sent, err
	})
	killed := time.Now()
	pid := victim.PID()
	victim.Kill()
	f.add("cliente %s: %s (pid %d) killed, with %s", a.cliente, victim.Name(), pid, count(len(its), "cliente"))
	incoming, err := d.cluster.Emulator.SendMessage(ctx, friend, a.number, "¿estás?")
	if err != nil {
		return err
	}
	repeated := async(func() (cluster.Sent, error) {
		sent, _, err := survivors.SendUntil(ctx, a.cliente, sends.before)
		return sent, err
	})

	moving, cancel := context.WithDeadlineCause(ctx, killed.Add(moveTimeout), fmt.Errorf("waited %v since the kill", moveTimeout))
	defer cancel()
	if err := d.back(moving, f, survivors, its, victim.Name(), killed); err != nil {
		return err
	}
	receipt, err := d.cluster.WaitAcknowledged(moving, a.number, incoming, 0)
	if err != nil {
		return err
	}
	f.add("message to it while its node was dead: received after %s", ms(receipt.At.Sub(killed)))

	during, err := inFlight()
	if err != nil {
		return err
	}
	again, err := repeated()
	if err != nil {
		return err
	}
	if again.MessageID != first.MessageID {
		return fmt.Errorf("one Idempotency-Key, two messages: %s before the kill, %s during it", first.MessageID, again.MessageID)
	}
	if err := d.afterwards(ctx, survivors, a, sends, first, during); err != nil {
		return err
	}
	f.add("sent with an Idempotency-Key before, during and after: each arrived once")

	after, err := d.logins(ctx, others)
	if err != nil {
		return err
	}
	for device, n := range after {
		if n != before[device] {
			return fmt.Errorf("device %s of another node logged in again: %d logins, %d before the kill", device, n, before[device])
		}
	}
	f.add("%s of other nodes kept their sockets", count(len(others), "cliente"))
	return nil
}

// back waits for all clientes of a dead node at once.
func (d *demo) back(ctx context.Context, f *figures, survivors *cluster.Client, its []account, dead string, killed time.Time) error {
	took, owners, errs := make([]time.Duration, len(its)), make([]string, len(its)), make([]error, len(its))
	var wg sync.WaitGroup
	for i, a := range its {
		wg.Go(func() {
			var s cluster.Status
			s, errs[i] = survivors.WaitBack(ctx, a.cliente, dead)
			took[i], owners[i] = time.Since(killed), s.Owner
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	counts := make(map[string]int)
	for _, o := range owners {
		counts[o]++
	}
	f.add("READY without a QR after: %s (now at %s)", spread(took), tally(counts))
	return nil
}

// sends are the messages of the failover: what one text is sent under, however often, is one key.
type sends struct{ before, during, after cluster.Message }

func (d *demo) newSends(a account) sends {
	message := func(when string) cluster.Message {
		return cluster.Message{To: friend, Text: when + " the kill", Key: fmt.Sprintf("demo-%s-%s", a.cliente, when)}
	}
	return sends{before: message("before"), during: message("during"), after: message("after")}
}

// afterwards repeats what was sent, sends anew, and looks at the phone.
func (d *demo) afterwards(ctx context.Context, client *cluster.Client, a account, s sends, first, during cluster.Sent) error {
	for _, repeat := range []struct {
		message cluster.Message
		id      string
	}{{s.before, first.MessageID}, {s.during, during.MessageID}} {
		sent, err := client.Send(ctx, a.cliente, repeat.message)
		if err != nil {
			return err
		}
		if sent.MessageID != repeat.id {
			return fmt.Errorf("one Idempotency-Key, two messages: %s, and %s after the kill", repeat.id, sent.MessageID)
		}
	}
	if _, err := client.Send(ctx, a.cliente, s.after); err != nil {
		return err
	}
	for _, m := range []cluster.Message{s.before, s.during, s.after} {
		if err := d.cluster.WaitShownOnce(ctx, friend, m.Text); err != nil {
			return err
		}
	}
	return nil
}

// byOwner parts the paired accounts into those of a node and the others.
func (d *demo) byOwner(ctx context.Context, node string) (its, others []account, err error) {
	for _, a := range d.paired {
		o, err := d.cluster.Client().Owner(ctx, a.cliente)
		if err != nil {
			return nil, nil, err
		}
		if o.Owner == node {
			its = append(its, a)
		} else {
			others = append(others, a)
		}
	}
	return its, others, nil
}

// logins counts the logins of the accounts' devices.
func (d *demo) logins(ctx context.Context, accounts []account) (map[string]int, error) {
	devices, err := d.cluster.Emulator.Devices(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[string]int)
	for _, a := range accounts {
		for _, device := range devices {
			if numberOf(device.Device) == a.number {
				out[device.Device] = device.Logins
			}
		}
	}
	return out, nil
}
