package demo

import (
	"context"
	"fmt"
	"time"

	"session-manager/bench/cluster"
	"session-manager/node/ownership"
)

// send sends a message of every cliente through a node that does not own it, and looks at the
// phone that it was for.
func (d *demo) send(ctx context.Context, f *figures) error {
	var took []time.Duration
	for _, a := range d.paired {
		owner, err := d.cluster.Client().Owner(ctx, a.cliente)
		if err != nil {
			return err
		}
		other := d.notOwner(owner.Owner)
		text := fmt.Sprintf("hola de %s", a.cliente)
		begun := time.Now()
		sent, err := other.Client().Send(ctx, a.cliente, cluster.Message{To: friend, Text: text})
		if err != nil {
			return fmt.Errorf("through %s, owner %s: %w", other.Name(), owner.Owner, err)
		}
		took = append(took, time.Since(begun))
		if sent.Owner != owner.Owner {
			return fmt.Errorf("cliente %s: %s answered, the owner is %s", a.cliente, sent.Owner, owner.Owner)
		}
		if err := d.cluster.WaitShownOnce(ctx, friend, text); err != nil {
			return err
		}
	}
	f.add("request to acknowledgement: %s", spread(took))
	f.add("the phone shows %s", count(len(d.paired), "message"))
	return nil
}

// notOwner is a running node other than the owner.
func (d *demo) notOwner(owner string) *cluster.Node {
	for _, n := range d.cluster.Nodes() {
		if n.Name() != owner && n.Running() {
			return n
		}
	}
	return d.cluster.Nodes()[0]
}

// receive has a phone write to every cliente. A node acknowledges a message once it is in the
// events; the receipt is what the emulator sees of that.
func (d *demo) receive(ctx context.Context, f *figures) error {
	var took []time.Duration
	for _, a := range d.paired {
		begun := time.Now()
		id, err := d.cluster.Emulator.SendMessage(ctx, friend, a.number, fmt.Sprintf("hola, %s", a.cliente))
		if err != nil {
			return err
		}
		receipt, err := d.cluster.WaitAcknowledged(ctx, a.number, id, 0)
		if err != nil {
			return err
		}
		took = append(took, receipt.At.Sub(begun))
	}
	f.add("sending to the receipt: %s", spread(took))
	return nil
}

// judge asks the referee about the whole run.
func (d *demo) judge(ctx context.Context, f *figures) error {
	stats, err := d.cluster.Clean(ctx)
	if err != nil {
		return err
	}
	f.add("forks %d, overlaps %d, conflicts %d, undecryptable %d, sends to nobody %d",
		stats.RatchetForks, stats.Overlaps, stats.Conflicts, stats.Undecryptable, stats.Empty)
	f.add("%s, %s; sent again under their first ID: %d", count(int(stats.Messages), "message"), count(int(stats.Logins), "login"), stats.Duplicates)
	inbox, err := d.cluster.Emulator.Inbox(ctx, friend)
	if err != nil {
		return err
	}
	texts := make(map[string]int)
	for _, m := range inbox {
		if texts[m.Text]++; texts[m.Text] > 1 {
			return fmt.Errorf("phone %s shows %q %d times", friend, m.Text, texts[m.Text])
		}
	}
	f.add("the phone shows %s, none twice", count(len(inbox), "message"))
	return nil
}

// grow adds a node and pairs a cliente that the ring now places there.
func (d *demo) grow(ctx context.Context, f *figures) error {
	begun := time.Now()
	added, err := d.cluster.AddNode(ctx)
	if err != nil {
		return err
	}
	for _, n := range d.cluster.Nodes() {
		if n.Running() {
			if err := n.Client().WaitMember(ctx, added.Name(), true); err != nil {
				return fmt.Errorf("seen by %s: %w", n.Name(), err)
			}
		}
	}
	f.add("%s %s pid %d, on every node's ring after %s", added.Name(), added.URL(), added.PID(), ms(time.Since(begun)))
	client := d.cluster.Client()
	const candidates = 200 // of which a quarter should fall to the new node
	for c := firstOwn + 1000; c < firstOwn+1000+candidates; c++ {
		o, err := client.Owner(ctx, c)
		if err != nil {
			return err
		}
		if o.Placement != added.Name() {
			continue
		}
		return d.pairAt(ctx, f, c, added)
	}
	return fmt.Errorf("of %d new clientes none is placed at %s", candidates, added.Name())
}

// pairAt pairs a new cliente and checks that it lives where it was placed.
func (d *demo) pairAt(ctx context.Context, f *figures, c ownership.Cliente, n *cluster.Node) error {
	begun := time.Now()
	a := accountOf(c)
	s, err := d.cluster.Pair(ctx, a.cliente, a.number)
	if err != nil {
		return err
	}
	if s.Owner != n.Name() {
		return fmt.Errorf("cliente %s is placed at %s and owned by %s", c, n.Name(), s.Owner)
	}
	d.paired = append(d.paired, a)
	f.add("cliente %s paired there in %s", c, ms(time.Since(begun)))
	text := fmt.Sprintf("hola de %s", c)
	if _, err := d.notOwner(n.Name()).Client().Send(ctx, c, cluster.Message{To: friend, Text: text}); err != nil {
		return err
	}
	return d.cluster.WaitShownOnce(ctx, friend, text)
}
