package floor

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"
)

// Texts is an order to send: each account sends so many, one after the other as whatsmeow does,
// and all accounts at once.
type Texts struct {
	From []string `json:"from"` // numbers of accounts
	To   []string `json:"to"`   // numbers that they write to, each to one, in turn
	Each int      `json:"each"`
	Text string   `json:"text"` // of each, with a number that makes it different
}

// Sent is what came of it.
type Sent struct {
	Seconds float64   `json:"seconds"`
	Waits   []float64 `json:"waits"` // of each text until it was acknowledged, in ms
}

// Send carries out an order. A text that is not acknowledged is an error.
func (f *Floor) Send(ctx context.Context, t Texts) (Sent, error) {
	waits := make([]float64, len(t.From)*t.Each)
	g, ctx := errgroup.WithContext(ctx)
	begun := time.Now()
	for i, from := range t.From {
		a, err := f.account(from)
		if err != nil {
			return Sent{}, err
		}
		to := types.NewJID(t.To[i%len(t.To)], types.DefaultUserServer)
		g.Go(func() error {
			for n := range t.Each {
				text := t.Text + " " + strconv.Itoa(n)
				before := time.Now()
				if _, err := a.client.SendMessage(ctx, to, &waE2E.Message{Conversation: proto.String(text)}); err != nil {
					return fmt.Errorf("send from %s to %s: %w", from, to.User, err)
				}
				waits[i*t.Each+n] = float64(time.Since(before)) / float64(time.Millisecond)
			}
			return nil
		})
	}
	err := g.Wait()
	return Sent{Seconds: time.Since(begun).Seconds(), Waits: waits}, err
}
