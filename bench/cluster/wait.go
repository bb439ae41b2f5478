package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"session-manager/node/ownership"
)

const (
	pollEvery = 25 * time.Millisecond
	// pollTimeout bounds one question of a poll: a node that holds a request while a cliente
	// moves must not keep the poll from asking another.
	pollTimeout = 2 * time.Second
)

// ErrNeededQR: a session that was paired asked for a QR code again.
var ErrNeededQR = errors.New("session asks for a QR code again")

// Await polls look until it says done, or fails for good with an error. When ctx ends first
// the error says what was waited for and what was seen last.
func Await(ctx context.Context, what string, look func(ctx context.Context) (done bool, seen string, err error)) error {
	last := "nothing"
	for {
		one, cancel := context.WithTimeout(ctx, pollTimeout)
		done, seen, err := look(one)
		cancel()
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if done {
			return nil
		}
		if ctx.Err() == nil {
			last = seen
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w; last seen: %s", what, context.Cause(ctx), last)
		case <-time.After(pollEvery):
		}
	}
}

// WaitReady polls until the session is READY and returns that status.
func (c *Client) WaitReady(ctx context.Context, cliente ownership.Cliente) (Status, error) {
	return c.waitReady(ctx, cliente, func(Status) (bool, error) { return true, nil })
}

// WaitBack is WaitReady for a session that was paired and lost its owner: READY again at
// another node than former. A state that needs a QR is ErrNeededQR at once.
func (c *Client) WaitBack(ctx context.Context, cliente ownership.Cliente, former string) (Status, error) {
	return c.waitReady(ctx, cliente, func(s Status) (bool, error) {
		if s.NeedsQR {
			return false, fmt.Errorf("%w: %s at %s", ErrNeededQR, s.State, s.Owner)
		}
		return s.Owner != former, nil
	})
}

// waitReady polls until the session is READY and enough says that this is it. enough sees
// every status on the way, too.
func (c *Client) waitReady(ctx context.Context, cliente ownership.Cliente, enough func(Status) (bool, error)) (s Status, err error) {
	err = Await(ctx, fmt.Sprintf("cliente %s READY", cliente), func(ctx context.Context) (bool, string, error) {
		var err error
		if s, err = c.Status(ctx, cliente); err != nil {
			return false, err.Error(), nil
		}
		ok, err := enough(s)
		return ok && s.State == "READY", s.State + " at " + s.Owner, err
	})
	return s, err
}

// WaitMember polls until the node is on the ring, as this client's nodes see it.
func (c *Client) WaitMember(ctx context.Context, node string, member bool) error {
	return Await(ctx, fmt.Sprintf("%s on the ring: %v", node, member), func(ctx context.Context) (bool, string, error) {
		info, err := c.ClusterInfo(ctx)
		if err != nil {
			return false, err.Error(), nil
		}
		on := false
		for _, m := range info.Ring.Members {
			on = on || m == node
		}
		return on == member, fmt.Sprint(info.Ring.Members), nil
	})
}

// SendUntil sends as a careful caller does: with an Idempotency-Key, again on every error that
// may pass, until it is acknowledged. Only 400, 409 for a QR and 422 end it early.
func (c *Client) SendUntil(ctx context.Context, cliente ownership.Cliente, m Message) (sent Sent, tries int, err error) {
	if m.Key == "" {
		return Sent{}, 0, errors.New("send until acknowledged: want an Idempotency-Key, or the message could arrive twice")
	}
	last := "nothing"
	for {
		tries++
		if sent, err = c.Send(ctx, cliente, m); err == nil {
			return sent, tries, nil
		}
		var refused *Refusal
		if errors.As(err, &refused) && (refused.Status == 400 || refused.Status == 422) {
			return Sent{}, tries, err
		}
		if ctx.Err() == nil {
			last = err.Error()
		}
		select {
		case <-ctx.Done():
			return Sent{}, tries, fmt.Errorf("send for cliente %s: %w; %d tries, last: %s", cliente, context.Cause(ctx), tries, last)
		case <-time.After(pollEvery):
		}
	}
}
